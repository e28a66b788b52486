#!/usr/bin/env python3
"""The file server that people write with asyncio: aiohttp on uvloop, files by aiofiles, one process a core.

    python3 asyncio_server.py DIRECTORY PORT PROCESSES

PUT /{name} streams the body into a file and renames it into place, GET answers with aiohttp's own FileResponse. Nothing
is synced: that is how it is written."""

import os
import socket
import sys
from pathlib import Path

import aiofiles
import uvloop
from aiohttp import web

PIECE = 256 * 1024


def main():
    root = Path(sys.argv[1])

    async def put(request):
        path = root / request.match_info["name"]
        part = path.with_suffix(".part")
        async with aiofiles.open(part, "wb") as file:
            async for piece in request.content.iter_chunked(PIECE):
                await file.write(piece)
        os.rename(part, path)
        return web.Response(status=201)

    async def get(request):
        return web.FileResponse(root / request.match_info["name"])

    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=1024)
    for _ in range(int(sys.argv[3]) - 1):
        if os.fork() == 0:
            break
    uvloop.install()
    application = web.Application(client_max_size=0)
    application.router.add_put("/{name}", put)
    application.router.add_get("/{name}", get)
    web.run_app(application, sock=listener, access_log=None, print=None)


if __name__ == "__main__":
    main()
