"""The HTTP API of the shop: items and a counter of visits, kept in redis."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from store import Store, StoreError

MAX_BODY_BYTES = 64 * 1024
MAX_NAME_LENGTH = 100

store = Store(os.environ.get("REDIS_HOST", "redis"), int(os.environ.get("REDIS_PORT", "6379")))


def log(level, message, **fields):
    print(json.dumps({"level": level, "message": message, **fields}), flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):
        self.answer({"/health": self.health, "/items": self.list_items})

    def do_POST(self):
        self.answer({"/items": self.add_item})

    def answer(self, routes):
        route = routes.get(self.path.split("?")[0])
        try:
            status, body = route() if route else (404, {"error": f"there is no {self.command} {self.path}"})
        except ValueError as error:
            status, body = 400, {"error": str(error)}
        except StoreError as error:
            status, body = 503, {"error": f"redis: {error}"}
        if status >= 500:
            log("error", "request failed", method=self.command, path=self.path, status=status, reason=body["error"])
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status >= 400:
            # A body that was refused may be unread: the connection can't be used again.
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def health(self):
        store.ask("PING")
        return 200, {"status": "ok"}

    def list_items(self):
        visits = store.ask("INCR", "shop:visits")
        items = store.ask("LRANGE", "shop:items", "0", "999")
        return 200, {"items": [json.loads(item) for item in items], "visits": visits}

    def add_item(self):
        length = int(self.headers.get("Content-Length", "0"))
        if not 0 < length <= MAX_BODY_BYTES:
            raise ValueError(f"the body must have 1 to {MAX_BODY_BYTES} bytes")
        body = json.loads(self.rfile.read(length))
        name = body.get("name") if isinstance(body, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
            raise ValueError(f'"name" must be a text of 1 to {MAX_NAME_LENGTH} characters')
        item = {"id": store.ask("INCR", "shop:next-id"), "name": name}
        store.ask("RPUSH", "shop:items", json.dumps(item))
        log("info", "item added", id=item["id"])
        return 201, item

    def log_message(self, format, *args):
        log("info", format % args)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("PORT", "8000"))
    server = ThreadingHTTPServer(("0.0.0.0", port), Handler)
    server.daemon_threads = True
    log("info", "listening", port=port, redis=f"{store.host}:{store.port}")
    server.serve_forever()


main()
