-- What wrk runs for Bench::Wrk, which says how in the environment:
--
--   BENCH_PIPELINE  how many requests to send at a time
--   BENCH_BODIES    a file for all bodies, a line each
--
-- A hook that is not defined costs nothing: with neither, wrk sends the same
-- bytes over and over and looks at nothing but the status.

local depth = tonumber(os.getenv("BENCH_PIPELINE") or 1)
local bodies = os.getenv("BENCH_BODIES")

if depth > 1 then
    local all

    function init()
        all = string.rep(wrk.format(), depth)
    end

    function request()
        return all
    end
end

if bodies then
    local file

    -- Flushed by exit(), when the threads have ended.
    function response(_, _, body)
        file = file or assert(io.open(bodies, "w"))
        file:write(body, "\n")
    end
end

function done(summary, latency)
    local errors = summary.errors

    io.write(string.format('\n{"requests":%d,"seconds":%.6f,"max":%.0f',
        summary.requests, summary.duration / 1e6, latency.max))

    for name, count in pairs(errors) do
        io.write(string.format(',"%s":%d', name, count))
    end

    -- wrk takes a batch for one request here, and then corrects the histogram
    -- by an interval that is too short: what comes out means nothing.
    if depth == 1 then
        for name, part in pairs({ p50 = 50, p99 = 99, p999 = 99.9 }) do
            io.write(string.format(',"%s":%.0f', name,
                latency:percentile(part)))
        end
    end

    io.write("}\n")
end
