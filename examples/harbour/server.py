"""Tells what a berth costs."""

import http.server
import json
import os
import urllib.parse

import price


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is two small packets; the second one must not wait until the first is acknowledged.
    disable_nagle_algorithm = True

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        if url.path == "/health":
            return self.answer(200, {"ready": True})
        if url.path == "/":
            return self.answer(200, {"ask": "/price?length=10&nights=2"})
        asked = urllib.parse.parse_qs(url.query)
        try:
            length, nights = (int(asked[name][0]) for name in ("length", "nights"))
            return self.answer(200, {"cents": price.berth(length, nights)})
        except (KeyError, ValueError) as error:
            return self.answer(400, {"error": str(error)})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    address = ("127.0.0.1", int(os.environ["PORT"]))
    http.server.ThreadingHTTPServer(address, Answers).serve_forever()
