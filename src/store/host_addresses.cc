// getaddrinfo() blocks for as long as DNS likes. MUST never be waited for without a limit.
#include "host_addresses.h"

#include "helper_thread.h"
#include "loop.h"

#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <netdb.h>
#include <sys/socket.h>

namespace proxymap {

namespace {

constexpr std::uint64_t refresh_msecs = 60'000;
constexpr std::size_t max_addresses = 8;

bool is_numeric(const std::string &host)
{
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
           inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

Result<std::vector<std::string>> look_up(const std::string &host)
{
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (error != 0) {
        return Error{std::string("its name is not found: ") + gai_strerror(error)};
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
    std::vector<std::string> addresses;
    for (; found != nullptr && addresses.size() < max_addresses; found = found->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0,
                        NI_NUMERICHOST) == 0) {
            addresses.emplace_back(text.data());
        }
    }
    if (addresses.empty()) {
        return Error{"its name has no address"};
    }
    return addresses;
}

} // namespace

struct Host_addresses::State {
    std::string host;
    bool numeric = false;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> addresses; // the last good ones
    std::uint64_t looked_up = 0;        // when the last look-up ended
    std::string error;                  // of the last look-up; empty when it was good
    bool running = false;
};

Host_addresses::Host_addresses(const std::string &host) : state_(std::make_shared<State>())
{
    state_->host = host;
    state_->numeric = is_numeric(host);
    if (state_->numeric) {
        state_->addresses = {host};
    }
}

bool Host_addresses::fixed() const
{
    return state_->numeric; // never changes, so no lock
}

Result<std::vector<std::string>> Host_addresses::get(std::uint32_t msecs)
{
    std::unique_lock lock(state_->mutex);
    const bool old =
        state_->addresses.empty() || monotonic_ms() >= state_->looked_up + refresh_msecs;
    if (!state_->numeric && old && !state_->running) {
        const auto started = start_helper_thread([state = state_] {
            auto result = look_up(state->host);
            const std::scoped_lock look_up_lock(state->mutex);
            if (result) {
                state->addresses = std::move(*result);
            }
            state->error = result ? std::string() : result.error().message;
            state->looked_up = monotonic_ms();
            state->running = false;
            state->changed.notify_all();
        });
        if (!started) {
            return started.error();
        }
        state_->running = true;
    }
    state_->changed.wait_for(lock, std::chrono::milliseconds(msecs),
                             [&] { return !state_->addresses.empty() || !state_->running; });
    if (!state_->addresses.empty()) {
        return state_->addresses;
    }
    if (state_->running) {
        return Error{"its name was not found within " + std::to_string(msecs) + " ms"};
    }
    return Error{state_->error};
}

} // namespace proxymap
