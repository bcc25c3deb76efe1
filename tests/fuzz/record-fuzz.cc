// Any line at all as a record: it is refused, or it obeys every MUST and survives being written.
#include "core/key.h"
#include "core/record.h"

#include "check.h"

using namespace proxymap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    for (const auto key_case : {Key_case::lower, Key_case::keep}) {
        const auto record = parse_record(text, key_case);
        if (!record) {
            fuzz::check_error(record.error());
            continue;
        }
        fuzz::check_musts(*record);
        const auto written = format_record(*record);
        const auto again = parse_record(written, key_case);
        fuzz::check(again.ok(), "what is written is read");
        fuzz::check(fuzz::same(*record, *again), "what is read again is the same");
        fuzz::check(format_record(*again) == written, "a record has one canonical text");
    }
    // No name makes a key that means something to memcached.
    const auto key = encode_key("pm", Kind::user, text);
    fuzz::check(key.size() <= max_key_bytes, "a key is never too long");
    fuzz::check(key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789@._+=-%:#") == std::string::npos,
                "a key holds only harmless bytes");
    return 0;
}
