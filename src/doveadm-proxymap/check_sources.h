// Whether the addresses of source pools are this host's, and whether their ports suffice: to one
// destination an address has as many connections as the kernel gives ports, and no more.
#pragma once

#include "backend_targets.h"
#include "check_findings.h"
#include "kernel_connections.h"

#include "core/settings.h"
#include "core/source_pool.h"

#include <functional>
#include <string>
#include <vector>

namespace proxymap {

// What a pool has now.
struct Pool_seen {
    std::string name;
    std::vector<Ip> usable; // assigned here, each once
    struct Bad {
        std::string word; // as the admin wrote it
        std::string why;
        bool is_optional; // with `?` in front
    };
    std::vector<Bad> bad;
};

// look_up: all addresses of a name, or why there are none.
using Look_up = std::function<Result<std::vector<Ip>>(const std::string &name)>;
Pool_seen look_at_pool(const Source_pool &pool, const Look_up &look_up,
                       const std::function<bool(const Ip &)> &is_assigned);

// By getaddrinfo(3); blocks.
Result<std::vector<Ip>> look_up_name(const std::string &name);

void check_pools(const std::vector<Pool_seen> &pools, Check_findings &findings);

// Ports in use of those that there are, for each destination of the targets. counts: the larger of
// what the kernel and what the login processes count. ports: of one address.
void check_ports(const std::vector<Backend_target> &targets, const std::vector<Pool_seen> &pools,
                 const Connection_counts &counts, std::uint64_t ports, const Look_up &look_up,
                 Check_findings &findings);

// What login processes count for the pools' addresses (login-proxy-ext/usage_counts.h), in the file
// of their base_dir; where it says more than is in the counts already. Not there: nothing.
void add_usage(const std::string &base_dir, const std::vector<Backend_target> &targets,
               const std::vector<Pool_seen> &pools, const Look_up &look_up,
               Connection_counts *counts);

} // namespace proxymap
