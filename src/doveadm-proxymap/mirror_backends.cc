#include "mirror_backends.h"

#include "memcached_text.h"
#include "mirror_reading.h"

#include "core/key.h"
#include "core/stored_value.h"

#include <algorithm>

namespace proxymap {

namespace {

constexpr std::size_t max_backends = 100'000;

// A key's %XX is that of a metadump's line. Nothing: its name is hashed.
std::optional<std::string> name_of(std::string_view encoded)
{
    return encoded.starts_with('#') ? std::nullopt
                                    : parse_dumped_key("key=" + std::string(encoded));
}

} // namespace

Result<std::vector<Record>> read_mirror_backends(const Store_address &address,
                                                 const Settings &settings)
{
    const std::string sample = encode_key(settings.name_space, Kind::backend, "x");
    const std::string prefix = sample.substr(0, sample.size() - 1);
    const auto server = Memcached_text::connect(address);
    if (!server)
        return Error{address.text() + ": " + server.error().message};
    std::vector<std::string> names;
    const Result<Done> listed = (*server)->for_each_key([&](std::string &&key) {
        if (!key.starts_with(prefix) || names.size() == max_backends)
            return;
        if (std::optional<std::string> name = name_of(std::string_view(key).substr(prefix.size())))
            names.push_back(std::move(*name));
    });
    if (!listed)
        return Error{address.text() + ": " + listed.error().message};
    std::sort(names.begin(), names.end());

    const auto reading = Mirror_reading::connect(address, settings.name_space);
    if (!reading)
        return reading.error();
    const Result<std::optional<Marker>> marker = (*reading)->marker();
    if (!marker)
        return marker.error();
    std::vector<Record> backends;
    for (const std::string &name : names) {
        const Result<Memcached_connection::Items> items =
            (*reading)->get({encode_key(settings.name_space, Kind::backend, name)});
        if (!items)
            return items.error();
        if (!items->front())
            continue; // it went meanwhile
        Result<Stored_value> stored =
            parse_stored_value(items->front()->value, Kind::backend, name, settings.key_case);
        if (!stored)
            return Error{address.text() + ": backend " + name + ": " + stored.error().message};
        const Result<Stored_version *> version =
            choose_version(*stored, *marker ? &(*marker)->position : nullptr);
        if (version && !(*version)->deleted)
            backends.push_back(std::move((*version)->record));
    }
    return backends;
}

} // namespace proxymap
