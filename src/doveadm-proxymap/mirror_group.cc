// See mirror_group.h.
#include "mirror_group.h"

namespace proxymap {

Mirror_group::Mirror_group(const std::vector<Mirror_sink *> &members)
{
    for (Mirror_sink *member : members)
        members_.push_back({member, {}});
}

template <typename Do> Result<Done> Mirror_group::each(const Do &what)
{
    bool any = false;
    for (Member &member : members_) {
        if (member.error)
            continue;
        if (const Result<Done> done = what(*member.sink); !done)
            member.error = done.error();
        else
            any = true;
    }
    return any || members_.empty() ? Result<Done>(Done{}) : *members_.back().error;
}

Result<Done> Mirror_group::write_marker(const Marker &marker)
{
    return each([&](Mirror_sink &sink) { return sink.write_marker(marker); });
}

Result<Done> Mirror_group::put(std::string_view key, std::string_view text)
{
    return each([&](Mirror_sink &sink) { return sink.put(key, text); });
}

Result<Done> Mirror_group::put_versions(const Table_change &change, const Position &before,
                                        const Position &now)
{
    return each([&](Mirror_sink &sink) { return sink.put_versions(change, before, now); });
}

Result<Done> Mirror_group::remove(std::string_view key, std::string_view name, const Position &now)
{
    return each([&](Mirror_sink &sink) { return sink.remove(key, name, now); });
}

Result<Done> Mirror_group::put_entry(const Position &position, std::string_view text)
{
    return each([&](Mirror_sink &sink) { return sink.put_entry(position, text); });
}

Result<Done> Mirror_group::acknowledge()
{
    return each([](Mirror_sink &sink) { return sink.acknowledge(); });
}

Result<Done> Mirror_group::make_empty()
{
    return each([](Mirror_sink &sink) { return sink.make_empty(); });
}

} // namespace proxymap
