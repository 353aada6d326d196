"""Static files: public, and cached by browsers until they change."""

from hashlib import sha256
from pathlib import Path

import jinja2
from aiohttp import web

ROUTE = "static"
_VERSION_CHARACTERS = 12
_VERSIONS: web.AppKey[dict[str, str]] = web.AppKey("_VERSIONS", dict)


def setup(app: web.Application, env: jinja2.Environment, directory: Path) -> None:
    """Adds the files of a directory, and `{{ static("admin.css") }}`, which is a file's URL with its version."""
    versions = app[_VERSIONS] = {
        path.relative_to(directory).as_posix(): sha256(path.read_bytes()).hexdigest()[:_VERSION_CHARACTERS]
        for path in directory.rglob("*")
        if path.is_file()
    }
    resource = app.router.add_static("/static", directory, name=ROUTE)

    def url(name: str) -> str:
        return str(resource.url_for(filename=name).with_query(v=versions[name]))

    env.globals["static"] = url


def cache_control(request: web.Request) -> str:
    """Immutable if the URL has the current version; revalidated otherwise."""
    version = request.config_dict[_VERSIONS].get(request.match_info["filename"])
    is_current = version is not None and request.query.get("v") == version
    return "public, max-age=31536000, immutable" if is_current else "no-cache"
