"""The gateway: real devices and other programs hand in frames over HTTP and WebSocket.

A request's way: `protocol` (time and size limits of a connection) -> `access` (who may) ->
`routes` or `stream` (HTTP or WebSocket) -> `frame_json` or the record batch (bytes to frames) ->
`intake` (`rate`, `starts`, then the sender) -> 2xx once Redis has confirmed, else a `Refusal`.
"""
