// `doveadm proxymap counters`: what this host's Dovecot has counted of our events. `status
// --counters` asks the doveadm-server of each proxy for it.
#include "common.h"

#include "stats_counters.h"

namespace proxymap {

namespace {

int run_counters(const Arguments & /*arguments*/)
{
    const Result<std::vector<Counter>> counters = read_counters(stats_socket());
    if (!counters)
        return fail(exit_try_again, counters.error().message);
    Rows rows("table", {"metric", "count", "average_us"});
    for (const Counter &counter : *counters)
        rows.add({counter.metric, std::to_string(counter.count), counter.average_usec});
    return flush_output() ? 0 : exit_output_failed;
}

} // namespace

const Command counters_command = {
    .name = "proxymap counters",
    .usage = "",
    .parameters = {},
    .run = run_counters,
    .remote = true,
};

} // namespace proxymap
