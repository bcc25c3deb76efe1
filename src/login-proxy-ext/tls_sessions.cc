// Keeps sessions, lets go of them.
#include "tls_sessions.h"

#include <algorithm>

namespace proxymap {

namespace {

// Sessions of TLS 1.3 serve one connection each: as many logins at once to one backend can resume.
constexpr std::size_t max_of_destination = 32;

constexpr std::size_t max_refusing = 10'000;

bool is_single_use(const SSL_SESSION *session)
{
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

} // namespace

Tls_sessions::Tls_sessions(std::uint64_t max_age, std::size_t max_count)
    : max_age_(max_age), max_count_(max_count)
{
}

bool Tls_sessions::is_usable(const Entry &entry, const Tls_time &now) const
{
    return now.monotonic_ms - entry.verification.at_ms < max_age_ &&
           now.wall < entry.verification.valid_until &&
           SSL_SESSION_is_resumable(entry.session.get()) == 1;
}

bool Tls_sessions::is_refused_by(const std::string &destination, const Tls_time &now)
{
    const auto refusing = refusing_until_.find(destination);
    if (refusing == refusing_until_.end())
        return refusing_until_.size() >= max_refusing;
    if (now.monotonic_ms < refusing->second)
        return true;
    refusing_until_.erase(refusing);
    return false;
}

void Tls_sessions::remove(Entries::iterator entry)
{
    const auto own = of_destination_.find(entry->destination);
    std::erase(own->second, entry);
    if (own->second.empty())
        of_destination_.erase(own);
    sessions_.erase(entry);
}

void Tls_sessions::add(const std::string &destination, Session_ptr session,
                       const Verification &verification, const Tls_time &now)
{
    if (session == nullptr || is_refused_by(destination, now))
        return;
    Entry entry{destination, std::move(session), verification};
    if (!is_usable(entry, now))
        return;
    const std::size_t most = is_single_use(entry.session.get()) ? max_of_destination : 1;
    for (auto own = of_destination_.find(destination);
         own != of_destination_.end() && own->second.size() >= most;
         own = of_destination_.find(destination))
        remove(own->second.front());
    sessions_.push_front(std::move(entry));
    of_destination_[destination].push_back(sessions_.begin());
    while (sessions_.size() > max_count_)
        remove(std::prev(sessions_.end()));
}

Tls_sessions::Kept Tls_sessions::take(const std::string &destination, const Tls_time &now)
{
    for (auto own = of_destination_.find(destination); own != of_destination_.end();
         own = of_destination_.find(destination)) {
        const Entries::iterator newest = own->second.back();
        if (!is_usable(*newest, now)) {
            remove(newest);
            continue;
        }
        Kept kept{nullptr, newest->verification};
        if (is_single_use(newest->session.get())) {
            kept.session = std::move(newest->session);
            remove(newest);
        } else if (SSL_SESSION_up_ref(newest->session.get()) == 1) {
            kept.session.reset(newest->session.get());
            sessions_.splice(sessions_.begin(), sessions_, newest);
        }
        return kept;
    }
    return {};
}

void Tls_sessions::forget(const std::string &destination)
{
    for (auto own = of_destination_.find(destination); own != of_destination_.end();
         own = of_destination_.find(destination))
        remove(own->second.back());
}

void Tls_sessions::refuse(const std::string &destination, const Tls_time &now)
{
    forget(destination);
    if (refusing_until_.size() >= max_refusing)
        std::erase_if(refusing_until_,
                      [&now](const auto &entry) { return entry.second <= now.monotonic_ms; });
    // Where there are still too many, is_refused_by() is true for all.
    if (refusing_until_.size() < max_refusing)
        refusing_until_[destination] = now.monotonic_ms + max_age_;
}

} // namespace proxymap
