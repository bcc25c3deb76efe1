#include "seal_state.h"

#include "core/stored_value.h"

namespace proxymap {

std::string_view seal_state(std::string_view value, const Key &key, const Position &position,
                            const Configuration &configuration)
{
    const auto stored =
        parse_stored_value(value, key.kind, key.name, configuration.settings.key_case);
    if (!stored)
        return "unknown";
    const Stored_version *version = &stored->first;
    if (stored->second && stored->second->record.position == position)
        version = &*stored->second;
    if (version->deleted || version->record.position != position)
        return "unknown";
    if (version->seal.empty())
        return "none";
    if (configuration.seal_keys.empty())
        return "unchecked";
    return check_seal(configuration.seal_keys, configuration.settings.name_space,
                      version->signed_text, version->seal)
                   .ok()
               ? "good"
               : "bad";
}

} // namespace proxymap
