-- wrk's side of the benchmark: one request after the other on each connection, and the result as a line of JSON.
-- WALLETS is a file of wallet ids; READS is the share of requests that only read a balance; KEY is an API key.

local wallets = {}
for id in io.lines(os.getenv("WALLETS")) do
  wallets[#wallets + 1] = id
end
local reads = tonumber(os.getenv("READS") or "0")
local headers = { ["Content-Type"] = "application/json" }
if os.getenv("KEY") ~= "" then
  headers["Authorization"] = "Bearer " .. os.getenv("KEY")
end
local body = '{"operation_type": "DEPOSIT", "amount": "100"}'

function init()
  math.randomseed(os.time())
end

function request()
  local path = "/api/wallets/" .. wallets[math.random(#wallets)]
  if math.random() < reads then
    return wrk.format("GET", path .. "/", headers)
  end
  return wrk.format("POST", path .. "/operation", headers, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "p999": %f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
