"""The API as one page of HTML, made from its OpenAPI description; needs no script and no other host."""

from collections.abc import Iterator
from html import escape
from typing import Any

# Nothing on the page may load or run anything.
SECURITY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "code,pre{background:#f3f3f3;padding:.1em .3em}pre{padding:1em;overflow:auto}"
    "table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}"
)


def page(spec: dict[str, Any]) -> str:
    """The whole page for an OpenAPI 3.1 description as FastAPI makes it."""
    info = spec["info"]
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>",
            f"<h1>{escape(info['title'])}</h1>",
            *(f"<p>{escape(part)}</p>" for part in info.get("description", "").split("\n\n")),
            '<p>For programs: <a href="/openapi.json">openapi.json</a></p>',
            *_operations(spec["paths"]),
            *_schemas(spec.get("components", {}).get("schemas", {})),
            "</html>",
        ]
    )


def _operations(paths: dict[str, Any]) -> Iterator[str]:
    for path, operations in paths.items():
        for method, operation in operations.items():
            yield f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
            kinds = operation.get("requestBody", {}).get("content", {})
            if kinds:
                yield f"<p>Body: {', '.join(f'<code>{escape(kind)}</code>' for kind in kinds)}</p>"
            yield "<table><tr><th>answer</th><th>meaning</th></tr>"
            for code, answer in sorted(operation["responses"].items()):
                yield f"<tr><td>{escape(code)}</td><td>{escape(answer.get('description', ''))}</td></tr>"
            yield "</table>"


def _schemas(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f"<h2>{escape(name)}</h2><p>{escape(schema.get('description', ''))}</p>"
        yield "<table><tr><th>field</th><th>type</th><th>meaning</th></tr>"
        required = schema.get("required", ())
        for field, what in schema.get("properties", {}).items():
            mark = "" if field in required else " (optional)"
            yield f"<tr><td><code>{escape(field)}</code>{mark}</td><td>{escape(_type(what))}</td>"
            yield f"<td>{escape(what.get('description', ''))}</td></tr>"
        yield "</table>"


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"] if one.get("type") != "null")
    kind: str = schema.get("type", "")
    return f"list of {_type(schema['items'])}" if kind == "array" else kind
