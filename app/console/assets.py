"""What pages load: style sheet, scripts, pictures. All of it is in memory, under names that change with the content."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"
PREFIX = "/static/"


@dataclass(frozen=True)
class Asset:
    content: bytes
    media_type: str


class Assets:
    """The files of a folder, each at the address that `url` gives it."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._urls: dict[str, str] = {}
        self._by_url: dict[str, Asset] = {}
        for path in sorted(folder.rglob("*")):
            if (media_type := _TYPES.get(path.suffix)) is None:
                continue
            content = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            stem = name.removesuffix(path.suffix)
            url = f"{PREFIX}{stem}.{sha256(content).hexdigest()[:12]}{path.suffix}"
            self._urls[name] = url
            self._by_url[url] = Asset(content, media_type)

    def url(self, name: str) -> str:
        """The address of a file. Raises KeyError for one that is not there."""
        return self._urls[name]

    def response(self, request: Request) -> Response:
        asset = self._by_url.get(request.url.path)
        if asset is None:
            return Response("Not Found", 404, media_type="text/plain")
        return Response(asset.content, media_type=asset.media_type, headers={"cache-control": _FOR_EVER})
