// auth-load: a load generator that speaks the auth client protocol on Dovecot's auth socket, with
// many logins outstanding in one thread, and prints one line of JSON.
//
// Closed loop (default): each reply is followed by the next login, so it measures throughput.
// Open loop (--rate): logins start at fixed times whatever the server does, and a latency counts
// from the moment at which the login was due, so a stalled server cannot hide its own stall.
//
// It must never judge: it counts what it is told, and `run` decides.
#include "auth_client.h"
#include "latencies.h"
#include "load_options.h"
#include "users.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <sys/prctl.h>

using namespace proxymap::bench;

namespace {

void append_base64(std::string_view text, std::string *out)
{
    static constexpr char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < text.size(); i += 3) {
        std::uint32_t bits = 0;
        for (std::size_t j = 0; j < 3; ++j)
            bits = bits << 8U | (i + j < text.size() ? static_cast<unsigned char>(text[i + j]) : 0);
        out->push_back(digits[bits >> 18U & 63U]);
        out->push_back(digits[bits >> 12U & 63U]);
        out->push_back(i + 1 < text.size() ? digits[bits >> 6U & 63U] : '=');
        out->push_back(i + 2 < text.size() ? digits[bits & 63U] : '=');
    }
}

class Load {
  public:
    explicit Load(const Options &options)
        : options_(options), users_(options), client_(options.socket),
          slots_(std::bit_ceil(options.outstanding))
    {
        for (std::uint32_t slot = options.outstanding; slot-- > 0;)
            free_slots_.push_back(slot);
        ids_.resize(slots_);
        parameters_ = "\tPLAIN\tservice=" + options.service + "\tsecured\tlip=" + options.lip +
                      "\trip=" + options.rip + "\tresp=";
    }

    // False: not every login was answered, or something came that answers none.
    bool run()
    {
        start_ = last_reply_ = progress_ = monotonic_ns();
        if (options_.seconds > 0)
            end_ = start_ + static_cast<std::uint64_t>(options_.seconds * 1e9);
        for (;;) {
            const std::uint64_t now = monotonic_ns();
            issue(now);
            const bool all_sent = is_over(now);
            if (all_sent && unanswered() == 0)
                break;
            if (unanswered() > 0 && now >= progress_ + patience_ns)
                break;
            std::uint64_t until = unanswered() > 0 ? progress_ + patience_ns : never;
            if (!all_sent && !free_slots_.empty())
                until = std::min(until, options_.rate > 0 ? due(sent_) : end_);
            if (options_.pause_usecs > 0) {
                const timespec pause = {0, static_cast<long>(options_.pause_usecs) * 1000};
                nanosleep(&pause, nullptr);
            }
            client_.wait(until, [this](std::string_view line) { handle(line); });
        }
        return unanswered() == 0 && odd_ == 0;
    }

    void print()
    {
        const double seconds = static_cast<double>(last_reply_ - start_) / 1e9;
        const std::size_t answered = cached_.count() + uncached_.count();
        std::printf("{\"requests\":%zu,\"unanswered\":%zu,\"seconds\":%.3f,"
                    "\"requests_per_second\":%.1f,%s",
                    answered, unanswered(), seconds,
                    seconds > 0 ? static_cast<double>(answered) / seconds : 0,
                    cached_.json().c_str());
        if (options_.uncached_every > 0)
            std::printf(",\"uncached\":{\"requests\":%zu,%s}", uncached_.count(),
                        uncached_.json().c_str());
        std::puts("}");
    }

  private:
    // No answer at all for so long: the server is dead. Longer than any timeout and delay that
    // Dovecot's auth applies to a login by default.
    static constexpr std::uint64_t patience_ns = 10'000'000'000;
    static constexpr std::uint64_t never = UINT64_MAX;

    struct In_flight {
        std::uint32_t id = 0; // 0: none
        bool uncached = false;
        std::uint64_t since = 0;
    };

    std::uint64_t due(std::uint64_t request) const
    {
        return start_ +
               static_cast<std::uint64_t>(static_cast<double>(request) * 1e9 / options_.rate);
    }

    std::size_t unanswered() const { return options_.outstanding - free_slots_.size(); }

    // Whether there is nothing more to send. In an open loop what was due before the end is sent
    // even when it is late: to leave it out would flatter a server that had stalled.
    bool is_over(std::uint64_t now) const
    {
        if (options_.requests > 0 && sent_ >= options_.requests)
            return true;
        return (options_.rate > 0 ? due(sent_) : now) >= end_;
    }

    void issue(std::uint64_t now)
    {
        if (unanswered() == 0)
            progress_ = now;
        while (!free_slots_.empty() && !is_over(now)) {
            if (options_.rate > 0 && due(sent_) > now)
                break;
            const std::uint32_t slot = free_slots_.back();
            free_slots_.pop_back();

            // The slot is the id's lower part and a reply needs no search; the upper part
            // grows, so that a late or doubled reply is recognised.
            In_flight &login = ids_[slot];
            login.id = (generation_ * slots_ + slot) % max_id + slots_;
            generation_ += 1;
            login.uncached = options_.uncached_every > 0 && sent_ % options_.uncached_every == 0;
            login.since = options_.rate > 0 ? due(sent_) : now;
            const std::uint64_t user =
                login.uncached ? options_.uncached_first + uncached_sent_++ : users_.next();
            ++sent_;

            plain_.assign(1, '\0');
            plain_ += options_.name_head;
            plain_ += std::to_string(user);
            plain_ += options_.name_tail;
            plain_ += '\0';
            plain_ += "secret";
            line_ = "AUTH\t";
            line_ += std::to_string(login.id);
            line_ += parameters_;
            append_base64(plain_, &line_);
            client_.send(line_);
        }
    }

    void handle(std::string_view line)
    {
        const std::size_t tab = line.find('\t');
        const std::string_view verb = line.substr(0, tab);
        const std::uint32_t id =
            tab == std::string_view::npos
                ? 0
                : static_cast<std::uint32_t>(std::strtoul(line.data() + tab + 1, nullptr, 10));
        In_flight &login = ids_[id % slots_];
        if (id == 0 || login.id != id || (verb != "OK" && verb != "FAIL")) {
            if (odd_++ == 0)
                std::fprintf(stderr, "auth-load: no answer to any login: %.*s\n",
                             static_cast<int>(line.size()), line.data());
            return;
        }
        Reply reply = Reply::ok;
        if (verb == "FAIL")
            reply = line.find("\tcode=temp_fail") != std::string_view::npos ? Reply::tempfail
                                                                            : Reply::fail;
        last_reply_ = progress_ = monotonic_ns();
        (login.uncached ? uncached_ : cached_).add(reply, last_reply_ - login.since);
        login.id = 0;
        free_slots_.push_back(id % slots_);
    }

    static constexpr std::uint32_t max_id = 1U << 30U; // a multiple of every number of slots

    const Options &options_;
    Users users_;
    Auth_client client_;
    const std::uint32_t slots_;
    std::vector<std::uint32_t> free_slots_;
    std::vector<In_flight> ids_;
    std::string parameters_, plain_, line_;
    std::uint32_t generation_ = 0;
    std::uint64_t sent_ = 0, uncached_sent_ = 0, odd_ = 0;
    std::uint64_t start_ = 0, end_ = never, last_reply_ = 0, progress_ = 0;
    Latencies cached_, uncached_;
};

} // namespace

int main(int argc, char *argv[])
{
    const Options options = parse_options(argc, argv);
    prctl(PR_SET_TIMERSLACK, 1); // ns; the default of 50 µs would blur an open loop
    Load load(options);
    const bool all_answered = load.run();
    load.print();
    return all_answered ? 0 : 1;
}
