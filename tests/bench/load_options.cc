// See load_options.h.
#include "load_options.h"

#include "program.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <getopt.h>

namespace proxymap::bench {

namespace {

constexpr char usage[] =
    "usage: auth-load --socket PATH (--requests N | --seconds S) [option ...]\n"
    "  --outstanding N      logins at the same time (64; with --rate: 4096)\n"
    "  --pause USECS        look for answers so often, rather than being woken by them (0: be "
    "woken)\n"
    "  --users N            how many users there are (100000)\n"
    "  --first-user N       number of the first of them (0)\n"
    "  --pattern TEXT       their names, %d is the number (user%d@example.com)\n"
    "  --distribution NAME  uniform | zipf (s = 1.1) | sequential (uniform)\n"
    "  --skip N             begin a sequence so many users further on (0)\n"
    "  --rate R             open loop: R logins a second (closed loop)\n"
    "  --uncached-every N   each N-th login is of a user that nobody else asks for, each only\n"
    "                       once; their latencies are reported apart\n"
    "  --uncached-first K   number of the first of these (behind the other users)\n"
    "  --service NAME --lip IP --rip IP   what the client is said to be (imap 127.0.0.1 "
    "127.0.0.1)\n"
    "  --seed N             of the random numbers (1)\n";

double parse_number(const char *option, const char *text)
{
    char *end = nullptr;
    const double value = std::strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0) || value > 4e9)
        die(std::string("--") + option + ": \"" + text + "\" is no number from 0 to 4e9");
    return value;
}

void parse_pattern(std::string_view text, Options *options)
{
    const std::size_t at = text.find("%d");
    if (at == std::string_view::npos)
        die("--pattern: it must hold %d, which becomes the user's number");
    options->name_head = text.substr(0, at);
    options->name_tail = text.substr(at + 2);
}

} // namespace

Options parse_options(int argc, char *argv[])
{
    static const option longopts[] = {{"socket", 1, nullptr, 's'},
                                      {"requests", 1, nullptr, 'n'},
                                      {"seconds", 1, nullptr, 't'},
                                      {"outstanding", 1, nullptr, 'o'},
                                      {"pause", 1, nullptr, 'w'},
                                      {"users", 1, nullptr, 'u'},
                                      {"first-user", 1, nullptr, 'f'},
                                      {"pattern", 1, nullptr, 'p'},
                                      {"distribution", 1, nullptr, 'd'},
                                      {"skip", 1, nullptr, 'j'},
                                      {"rate", 1, nullptr, 'r'},
                                      {"uncached-every", 1, nullptr, 'e'},
                                      {"uncached-first", 1, nullptr, 'k'},
                                      {"service", 1, nullptr, 'S'},
                                      {"lip", 1, nullptr, 'L'},
                                      {"rip", 1, nullptr, 'R'},
                                      {"seed", 1, nullptr, 'x'},
                                      {"help", 0, nullptr, 'h'},
                                      {nullptr, 0, nullptr, 0}};
    Options options;
    std::optional<std::uint64_t> uncached_first;
    int index = 0;
    for (int c; (c = getopt_long(argc, argv, "", longopts, &index)) != -1;) {
        const auto number = [&] { return parse_number(longopts[index].name, optarg); };
        const auto number32 = [&] { return static_cast<std::uint32_t>(number()); };
        const auto number64 = [&] { return static_cast<std::uint64_t>(number()); };
        const std::string_view text = optarg != nullptr ? optarg : "";
        switch (c) {
        case 's':
            options.socket = text;
            break;
        case 'n':
            options.requests = number64();
            break;
        case 't':
            options.seconds = number();
            break;
        case 'o':
            options.outstanding = number32();
            break;
        case 'w':
            options.pause_usecs = number32();
            break;
        case 'u':
            options.users = number32();
            break;
        case 'f':
            options.first_user = number64();
            break;
        case 'p':
            parse_pattern(text, &options);
            break;
        case 'd':
            if (text == "uniform")
                options.distribution = Distribution::uniform;
            else if (text == "zipf")
                options.distribution = Distribution::zipf;
            else if (text == "sequential")
                options.distribution = Distribution::sequential;
            else
                die("--distribution: allowed are uniform, zipf and sequential");
            break;
        case 'j':
            options.skip = number64();
            break;
        case 'r':
            options.rate = number();
            break;
        case 'e':
            options.uncached_every = number32();
            break;
        case 'k':
            uncached_first = number64();
            break;
        case 'S':
            options.service = text;
            break;
        case 'L':
            options.lip = text;
            break;
        case 'R':
            options.rip = text;
            break;
        case 'x':
            options.seed = number32();
            break;
        case 'h':
            std::fputs(usage, stdout);
            std::exit(0);
        default:
            std::fputs(usage, stderr);
            std::exit(64);
        }
    }
    if (optind != argc || options.socket.empty() || options.users == 0 ||
        (options.requests == 0 && options.seconds <= 0)) {
        std::fputs(usage, stderr);
        std::exit(64);
    }
    if (options.outstanding == 0)
        options.outstanding = options.rate > 0 ? 4096 : 64;
    options.uncached_first = uncached_first.value_or(options.first_user + options.users);
    return options;
}

} // namespace proxymap::bench
