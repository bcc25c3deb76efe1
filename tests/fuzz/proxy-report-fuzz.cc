// Any value at all that a memcached server may hand out as a proxy's report.
#include "core/proxy_report.h"

#include "check.h"

using namespace proxymap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    static const Seal_keys keys{"k1", {{"k1", std::string(32, 'k')}}};
    const std::string_view value(reinterpret_cast<const char *>(data), size);
    const auto sealed = parse_proxy_report(value, "pm", "p1", keys);
    if (!sealed) {
        fuzz::check_error(sealed.error());
    }
    const auto report = parse_proxy_report(value, "pm", "p1", {});
    if (!report) {
        fuzz::check_error(report.error());
        fuzz::check(!sealed, "a seal makes nothing good");
        return 0;
    }
    const auto text = format_proxy_report(*report, "pm", "p1", {});
    fuzz::check(text.ok() && value.starts_with(*text), "a report has one text");
    fuzz::check(value.size() == text->size() || value.substr(text->size()).starts_with(" seal="),
                "nothing but a seal stands behind it");
    const auto again = format_proxy_report(*report, "pm", "p1", keys);
    const auto read = parse_proxy_report(*again, "pm", "p1", keys);
    fuzz::check(read.ok() && *read == *report, "what is written is read");
    fuzz::check(!parse_proxy_report(*again, "pm", "p2", keys), "a seal is for one proxy");
    fuzz::check(!sealed || value == *again, "no other seal is good");
    return 0;
}
