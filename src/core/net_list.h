// Lists of networks, the values of allow_nets and allow_real_nets: which address is in them.
#pragma once

#include "ip.h"

#include <string_view>

namespace proxymap {

// The first network of the list that the address is in, as it stands there; empty: none. list: as
// is_net_list() of field_value.cc takes it, separated by commas or blanks. As Dovecot's
// auth_request_validate_networks() judges it: "local" is for a client without an address, and an
// address without bits is that one alone.
std::string_view find_network(std::string_view list, const Ip &ip);

} // namespace proxymap
