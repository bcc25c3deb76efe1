// Reads sections `source_pool NAME { }`.
//
// Must never take a mistyped address for a name: the pool would have one address less, and nobody
// would see it.
#include "source_pool.h"

#include "field.h"
#include "section_settings.h"

#include <algorithm>
#include <array>
#include <set>

namespace proxymap {

namespace {

constexpr std::size_t max_words = 1024;

constexpr std::array<std::string_view, 4> choose_words = {"least-used", "round-robin", "hash-user",
                                                          "hash-destination"};

Result<Choose> parse_choose(std::string_view value)
{
    auto word = std::find(choose_words.begin(), choose_words.end(), value);
    if (word == choose_words.end())
        return must_be("least-used, round-robin, hash-user or hash-destination");
    return static_cast<Choose>(word - choose_words.begin());
}

std::string lower_case(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(), to_lower);
    return text;
}

Result<Source_word> parse_source_word(std::string_view text)
{
    Source_word word;
    word.only_assigned = text.starts_with('?');
    word.text = text.substr(word.only_assigned ? 1 : 0);
    word.ip = parse_ip(word.text);
    if (word.ip) {
        if (std::string_view why = why_no_source(*word.ip); !why.empty())
            return Error{quote(text) + " " + std::string(why) +
                         ", which no connection to a backend can come from"};
        return word;
    }
    if (word.text.find(':') != std::string::npos)
        return Error{quote(text) + " is no IPv6 address; an IPv4-mapped one is written as the IPv4 "
                                   "address that it is"};
    if (!check_field_value(Field_id::host, "host", word.text))
        return Error{quote(text) + " is no IPv4 or IPv6 address and no host name; several are "
                                   "separated by blanks, and a ? right before one keeps only the "
                                   "addresses that this host has"};
    return word;
}

Result<std::vector<Source_word>> parse_source_words(std::string_view value)
{
    std::vector<Source_word> words;
    std::set<std::string> seen; // addresses as they are written best, names in lower case
    for (std::string_view text : split_words(value)) {
        Result<Source_word> word = parse_source_word(text);
        if (!word)
            return word.error();
        if (!seen.insert(word->ip ? format_ip(*word->ip) : lower_case(word->text)).second)
            return Error{quote(text) + " is given twice"};
        words.push_back(std::move(*word));
        if (words.size() > max_words)
            return Error{"more than " + std::to_string(max_words) + " addresses and names"};
    }
    if (words.empty())
        return Error{"at least one address or name is needed"};
    return words;
}

using Setting = Section_setting<Source_pool>;

constexpr std::array table = {
    Setting{{"addresses", "list", "", "auth, login",
             "addresses, and names of addresses, that connections come from"},
            [](Source_pool &pool, std::string_view value) {
                return assign(parse_source_words(value), &pool.words);
            }},
    Setting{{"choose", "one of: least-used | round-robin | hash-user | hash-destination",
             "least-used", "auth, login", "how one of them is chosen"},
            [](Source_pool &pool, std::string_view value) {
                return assign(parse_choose(value), &pool.choose);
            }},
    Setting{{"refresh", "time", "1m", "login", "how often the names are looked up again"},
            [](Source_pool &pool, std::string_view value) {
                return assign(parse_time_between(value, "1s", "1d"), &pool.refresh);
            }},
    Setting{{"avoid_for", "time", "10s", "login", "how long an address that failed is passed over"},
            [](Source_pool &pool, std::string_view value) {
                return assign(parse_time_between(value, "0", "1h"), &pool.avoid_for);
            }},
};

} // namespace

std::string_view to_string(Choose choose)
{
    return choose_words[static_cast<std::size_t>(choose)];
}

std::vector<Setting_info> source_pool_settings()
{
    return setting_infos(std::span<const Setting>(table));
}

Result<Done> check_source_pool_setting(std::string_view name, std::string_view value)
{
    return check_setting(std::span<const Setting>(table), name, value);
}

Result<Source_pool> parse_source_pool(const Conf_section &section, const std::string &path)
{
    Source_pool pool;
    pool.name = section.name;
    if (Result<Done> done = read_section(section, path, std::span<const Setting>(table), &pool);
        !done)
        return done.error();
    if (pool.words.empty())
        return section_error(section, path, section.line,
                             "addresses is missing: the IP addresses, or names of them, that "
                             "connections come from");
    return pool;
}

std::string_view why_no_source(const Ip &ip)
{
    const std::array<unsigned char, 16> &b = ip.bytes;
    auto is = [](unsigned char byte) {
        return [byte](unsigned char other) { return other == byte; };
    };
    const auto end = b.begin() + (ip.v6 ? 16 : 4);
    if (std::all_of(b.begin(), end, is(0)))
        return "is the unspecified address";
    if (ip.v6 ? b[0] == 0xff : (b[0] & 0xf0U) == 0xe0)
        return "is a multicast address";
    if (!ip.v6 && std::all_of(b.begin(), end, is(0xff)))
        return "is the broadcast address";
    if (is_ipv4_mapped(ip))
        return "is an IPv4-mapped address";
    // bind(2) wants its interface, and neither Dovecot's source_ip nor this file can name one.
    if (ip.v6 && b[0] == 0xfe && (b[1] & 0xc0U) == 0x80)
        return "is a link-local address";
    return {};
}

} // namespace proxymap
