// Any bytes at all as a settings file: each policy and each pool in it is refused, or is one that
// can be enforced and never comes from the wrong place.
#include "core/source_pool.h"
#include "core/tls_policy.h"

#include "check.h"

#include <algorithm>

using namespace proxymap;

namespace {

void check_policy(const Tls_policy &policy)
{
    fuzz::check(policy.any_cert != (policy.checks_chain() || policy.checks_pins()),
                "a certificate is checked unless any will do");
    fuzz::check(!policy.any_cert || (!policy.checks_name() && !policy.resume_sessions),
                "what is not verified is not resumed");
    fuzz::check(policy.crl_file.empty() || policy.checks_chain(), "a CRL has its CA");
    fuzz::check(policy.certificate_file.empty() == policy.key_file.empty(), "a key has its cert");
    fuzz::check(policy.ciphers.empty() || policy.ciphers.ends_with(":!aNULL:!eNULL"),
                "no cipher is anonymous");
    fuzz::check(policy.min_protocol == "TLSv1.2" || policy.min_protocol == "TLSv1.3",
                "no protocol is broken");
    for (const auto *file : {&policy.ca_file, &policy.crl_file, &policy.certificate_file})
        fuzz::check(file->empty() || file->front() == '/', "a file's path is absolute");
}

void check_pool(const Source_pool &pool)
{
    fuzz::check(!pool.words.empty() && pool.words.size() <= 1024, "a pool has 1 to 1024 words");
    std::vector<Source_candidate> candidates;
    for (const auto &word : pool.words) {
        fuzz::check(!word.text.empty() && word.text.find_first_of("? %/") == std::string::npos,
                    "a word is an address or a name");
        if (!word.ip)
            continue;
        fuzz::check(why_no_source(*word.ip).empty(), "an address can be a source");
        fuzz::check(parse_ip(format_ip(*word.ip)) == word.ip,
                    "an address is written as it is read");
        candidates.push_back({*word.ip, candidates.size() % 3, candidates.size() % 5 == 0});
    }
    std::uint64_t turn = pool.words.size();
    for (const char *destination : {"192.0.2.1", "2001:db8::1"}) {
        const auto ip = *parse_ip(destination);
        const auto of_family = [&](const auto &candidate) { return candidate.ip.v6 == ip.v6; };
        const int chosen = choose_source(pool.choose, candidates, ip, pool.words[0].text, &turn);
        const bool any = std::any_of(candidates.begin(), candidates.end(), of_family);
        fuzz::check((chosen >= 0) == any, "one is chosen whenever there is one");
        fuzz::check(chosen < 0 || of_family(candidates.at(static_cast<std::size_t>(chosen))),
                    "it is of the destination's family");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    const auto file = parse_conf(text, "f");
    if (!file)
        return 0;
    for (const auto &section : file->sections) {
        if (const auto policy = parse_tls_policy(section, "f"); policy.ok())
            check_policy(*policy);
        else
            fuzz::check_error(policy.error());
        if (const auto pool = parse_source_pool(section, "f"); pool.ok())
            check_pool(*pool);
        else
            fuzz::check_error(pool.error());
    }
    return 0;
}
