"""What a store holds and has been told, in clear, to look for secrets in."""

import socket

from support.redis_server import Server

SCRIPT = """
local found = {}
local read = {hash = 'HGETALL', string = 'GET', set = 'SMEMBERS'}
local ranges = {list = 'LRANGE', zset = 'ZRANGE'}
local function keep(answer)
  if type(answer) ~= 'table' then answer = {answer} end
  for _, part in ipairs(answer) do found[#found + 1] = tostring(part) end
end
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = key
  local kind = redis.call('TYPE', key).ok
  if read[kind] then
    keep(redis.call(read[kind], key))
  elseif ranges[kind] then
    keep(redis.call(ranges[kind], key, 0, -1))
  elseif kind == 'stream' then
    for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do keep(entry[2]) end
  end
end
return table.concat(found, ' ')
"""


def everything_in(server: Server) -> bytes:
    """All keys and all values."""
    return _whole(server, "EVAL", SCRIPT, "0")


def note_every_command(server: Server) -> None:
    """From now on the server's slow log has each: what MONITOR would show."""
    server.ask("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "20000")
    server.ask("SLOWLOG", "RESET")


def commands_noted(server: Server) -> bytes:
    told = _whole(server, "SLOWLOG", "GET", "20000")
    server.ask("CONFIG", "SET", "slowlog-log-slower-than", "10000", "slowlog-max-len", "128")
    return told


def _whole(server: Server, *words: str) -> bytes:
    """The raw reply, however long: it is over when that of the command behind it comes."""
    told = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(server.socket_path))
        parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        connection.sendall(f"*{len(words)}\r\n{parts}PING\r\n".encode())
        while not told.endswith(b"+PONG\r\n"):
            told += connection.recv(1 << 20)
    return told
