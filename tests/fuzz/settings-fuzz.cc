// Any bytes at all as a settings file: it is refused in one sentence that names file and line, or
// every setting is in its range.
#include "core/settings.h"

#include "check.h"

using namespace proxymap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    const auto settings = parse_settings(text, "file");
    if (!settings) {
        fuzz::check_error(settings.error());
        fuzz::check(settings.error().message.starts_with("file:"), "an error names file and line");
        return 0;
    }
    fuzz::check(settings->lookup_timeout >= 10 && settings->lookup_timeout <= 10'000, "timeout");
    fuzz::check(settings->cache_size >= 1U << 20U, "cache_size");
    fuzz::check(settings->cache_ttl >= 1000, "cache_ttl");
    fuzz::check(settings->cache_stale_ttl >= settings->cache_ttl, "cache_stale_ttl");
    fuzz::check(settings->breaker_failures >= 1 && settings->breaker_failures <= 100, "failures");
    fuzz::check(settings->table.starts_with('/'), "table");
    fuzz::check(!settings->backend_services.contains(Service::any), "backend_services");
    fuzz::check(!settings->require_seal || !settings->seal_keys_file.empty(), "seal_keys_file");
    for (const auto id : settings->allow_fields)
        fuzz::check(field_needs_permission(id), "allow_fields");
    fuzz::check(!settings->stores.empty(), "stores");
    for (const auto &store : settings->stores) {
        const auto again = parse_store_address(store.text());
        fuzz::check(again.ok() && again->text() == store.text(),
                    "a store is read as it is written");
    }
    return 0;
}
