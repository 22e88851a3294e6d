"""One body of each dialect with as much in it as fits: what fuzzing begins from."""

from typing import Any

from app.messages import Dialect

_SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
_TEXT = {"type": "text", "text": "y"}
_REASONING: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm"}],
    "encrypted_content": "x",
}
_PNG = "data:image/png;base64,AAAA"
_CHAT: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {
            "role": "user",
            "name": "bob",
            "content": [
                {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": _PNG, "detail": "low"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path": "x"}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "run", "input": "free"}},
            ],
            "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "found"}]},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
        {"role": "assistant", "content": [{"type": "text", "text": "It is"}, {"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": "Go on."},
    ],
    "tools": [
        {"type": "function", "function": {"name": "read", "description": "d", "parameters": _SCHEMA, "strict": True}},
        {"type": "custom", "custom": {"name": "run", "format": {"type": "text"}}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "read"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": _SCHEMA}},
    "max_completion_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["END"],
    "n": 1,
    "seed": 1,
    "logit_bias": {"50256": -100},
    "metadata": {"a": "b"},
    "reasoning_effort": "low",
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "user": "u",
}
_MESSAGES: dict[str, Any] = {
    "model": "m",
    "max_tokens": 4000,
    "stream": True,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
                {
                    "type": "document",
                    "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]},
                    "citations": {"enabled": True},
                },
                {
                    "type": "search_result",
                    "source": "s",
                    "title": "t",
                    "content": [{"type": "text", "text": "found"}],
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "xyz"},
                {"type": "text", "text": "I read."},
                {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "x"}},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "y"}],
                    "is_error": True,
                }
            ],
        },
    ],
    "tools": [
        {"name": "read", "description": "d", "input_schema": _SCHEMA},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "output_config": {"effort": "low"},
    "stop_sequences": ["END"],
    "temperature": 1,
    "top_k": 5,
    "metadata": {"user_id": "u"},
}
_RESPONSES: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": "plain"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": _PNG, "detail": "low"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm"}],
            "encrypted_content": "x",
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {"type": "output_text", "text": "It is", "annotations": []},
                {"type": "refusal", "refusal": "No."},
            ],
        },
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "read", "arguments": '{"path": "x"}'},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "found"}]},
        {"type": "custom_tool_call", "call_id": "c2", "name": "run", "input": "free"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "item_reference", "id": "msg_0"},
    ],
    "tools": [
        {"type": "function", "name": "read", "parameters": _SCHEMA, "strict": True},
        {"type": "custom", "name": "run", "format": {"type": "text"}},
        {"type": "namespace", "name": "n", "description": "d", "tools": [{"type": "function", "name": "f"}]},
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "function", "name": "read"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": _SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "max_output_tokens": 50,
    "include": ["reasoning.encrypted_content"],
    "store": False,
    "metadata": {"a": "b"},
}
REQUESTS: dict[Dialect, list[dict[str, Any]]] = {
    "openai_chat": [_CHAT, {**_CHAT, "tools": [], "tool_choice": "auto", "response_format": {"type": "json_object"}}],
    "anthropic_messages": [_MESSAGES, {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}],
    "openai_responses": [_RESPONSES, {"model": "m", "input": "x"}],
    "openai_completions": [
        {"model": "m", "prompt": ["a", "b"], "suffix": "c", "max_tokens": 5, "stop": "x", "echo": True, "logprobs": 1},
        {"model": "m", "prompt": [[1, 2], [3]], "n": 2, "stream": True},
    ],
    "openai_embeddings": [
        {"model": "m", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 2, "user": "u"},
        {"model": "m", "input": [[1, 2], [3]]},
    ],
}
_CALL = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path": "x"}'}}
_USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
_ANSWER_CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "It is",
                "refusal": None,
                "reasoning_content": "Hm",
                "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "t"}}],
                "audio": {"id": "a", "data": "AAAA", "expires_at": 1, "transcript": "It is"},
                "tool_calls": [_CALL, {"id": "c2", "type": "custom", "custom": {"name": "run", "input": "x"}}],
            },
            "logprobs": {"content": [{"token": "It", "logprob": -0.1, "bytes": [73], "top_logprobs": []}]},
            "finish_reason": "tool_calls",
        },
        {
            "index": 1,
            "message": {"role": "assistant", "content": [{"type": "text", "text": "x"}]},
            "finish_reason": "stop",
        },
    ],
    "usage": _USAGE,
    "service_tier": "default",
}
_ANSWER_MESSAGES: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "xyz"},
        {
            "type": "text",
            "text": "It is",
            "citations": [{"type": "char_location", "cited_text": "c", "document_index": 0, "start_char_index": 0}],
        },
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]},
        {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "x"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1},
}
_ANSWER_RESPONSES: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_700_000_000,
    "model": "m",
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "output": [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm"}],
            "encrypted_content": "x",
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "It is",
                    "annotations": [
                        {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
                    ],
                    "logprobs": [],
                },
                {"type": "refusal", "refusal": "No."},
            ],
        },
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "read", "arguments": '{"path": "x"}'},
        {"type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "run", "input": "free"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "mcp_call", "id": "mcp_1", "name": "f", "arguments": "{}", "server_label": "s", "output": "x"},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"},
    ],
    "tools": [{"type": "custom", "name": "run"}],
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 2},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 13,
    },
}
ANSWERS: dict[Dialect, list[dict[str, Any]]] = {
    "openai_chat": [_ANSWER_CHAT],
    "anthropic_messages": [_ANSWER_MESSAGES],
    "openai_responses": [_ANSWER_RESPONSES],
    "openai_completions": [
        {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "text": "It is",
                    "finish_reason": "stop",
                    "logprobs": {"tokens": ["It"], "token_logprobs": [-0.1], "top_logprobs": [{}], "text_offset": [0]},
                }
            ],
            "usage": _USAGE,
        }
    ],
    "openai_embeddings": [
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
            "model": "m",
            "usage": {"prompt_tokens": 9, "total_tokens": 9},
        }
    ],
}
