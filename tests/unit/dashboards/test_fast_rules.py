from tests.real.fast_rules import fast_routes, fast_rules


def fast(rule: dict[str, str]) -> dict[str, str]:
    made = fast_rules({"groups": [{"name": "g", "rules": [rule]}]})
    (group,) = made["groups"]
    (found,) = group["rules"]
    assert group["interval"] == "1s"
    assert isinstance(found, dict)
    return found


def test_minutes_become_seconds_in_windows_waits_and_offsets() -> None:
    rule = {"alert": "A", "expr": "rate(x[1h]) > 3 * rate(x[30m]) and x offset 1d >= 0.05", "for": "15m"}
    assert fast(rule) == {
        "alert": "A",
        "expr": "rate(x[60s]) > 3 * rate(x[30s]) and x offset 1440s >= 0.05",
        "for": "15s",
    }


def test_a_window_still_holds_several_scrapes() -> None:
    assert fast({"record": "r", "expr": "rate(x[1m])"})["expr"] == "rate(x[5s])"


def test_an_alert_on_scrapes_waits_for_as_many_of_them() -> None:
    assert fast({"alert": "A", "expr": 'up{job="flowspan"} == 0', "for": "2m"})["for"] == "8s"
    assert fast({"alert": "A", "expr": "startup{} == 0", "for": "2m"})["for"] == "2s"


def test_thresholds_labels_and_names_stay() -> None:
    rule = {"alert": "A", "expr": 'x{le="2.5",state=~"open|half_open"} > 14.4 * 0.005', "labels": "kept"}
    assert fast(rule) == rule


def test_the_given_rules_are_not_changed() -> None:
    given = {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "rate(x[1h])"}]}]}
    fast_rules(given)
    assert given["groups"][0]["rules"][0]["expr"] == "rate(x[1h])"  # type: ignore[index]


def test_every_receiver_tells_the_webhook_by_its_name() -> None:
    route = {"receiver": "chat", "group_wait": "30s", "routes": [{"receiver": "pager", "repeat_interval": "1h"}]}
    made = fast_routes({"route": route, "receivers": [{"name": "chat"}, {"name": "pager"}]}, "http://here")
    assert made["route"] == {
        "receiver": "chat",
        "group_wait": "1s",
        "routes": [{"receiver": "pager", "repeat_interval": "60s"}],
    }
    urls = [receiver["webhook_configs"][0]["url"] for receiver in made["receivers"]]
    assert urls == ["http://here/chat", "http://here/pager"]
