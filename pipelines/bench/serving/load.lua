-- wrk sends the requests of a file in turn, each as "<bytes>\n<request>", and tells the latencies.
local requests, turn = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local length = file:read("*n")
  while length do
    file:read(1)
    requests[#requests + 1] = file:read(length)
    length = file:read("*n")
  end
  file:close()
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local of, errors = {}, summary.errors
  for name, percentile in pairs({p50 = 50, p95 = 95, p99 = 99, p999 = 99.9}) do
    of[#of + 1] = string.format('"%s_ms": %.4f', name, latency:percentile(percentile) / 1000)
  end
  io.write(string.format(
    'workcast-load {"count": %d, "seconds": %.4f, "error_count": %d, "socket_error_count": %d, %s}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, table.concat(of, ", ")))
end
