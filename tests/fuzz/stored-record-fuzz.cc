// Any value at all that a memcached server may hand out as a stored record, and any marker.
#include "core/record.h"
#include "core/seal.h"

#include "check.h"

using namespace proxymap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char *>(data), size);

    if (const auto marker = parse_marker(text)) {
        fuzz::check(format_marker(*marker) == text, "a marker has one text");
    }
    if (const auto position = parse_position(text)) {
        fuzz::check(format_position(*position) == text, "a position has one text");
    }
    const auto stored = parse_stored_record(text, Key_case::lower);
    if (!stored) {
        fuzz::check_error(stored.error());
        return 0;
    }
    const auto &record = stored->record;
    fuzz::check_musts(record);
    fuzz::check(record.position.known(), "a stored record has a position");

    // The seal covers all but itself.
    const auto seal_bytes = stored->seal.empty() ? 0 : stored->seal.size() + 6;
    fuzz::check(text.starts_with(stored->signed_text) &&
                    stored->signed_text.size() + seal_bytes == text.size(),
                "nothing stands outside the signed text and the seal");

    const auto written = format_stored_record(record);
    Seal_keys keys;
    keys.current = "k";
    keys.keys["k"] = std::string(min_seal_key_bytes, 'k');
    const auto seal = make_seal(keys, "pm", written);
    const auto sealed = written + " seal=" + seal;
    const auto again = parse_stored_record(sealed, Key_case::lower);
    fuzz::check(again.ok(), "what is written and sealed is read");
    fuzz::check(fuzz::same(record, again->record), "what is read again is the same");
    fuzz::check(again->signed_text == written && again->seal == seal, "the seal is found");
    fuzz::check(check_seal(keys, "pm", again->signed_text, again->seal).ok(), "the seal is right");
    fuzz::check(stored->seal.empty() || stored->seal == seal ||
                    !check_seal(keys, "pm", written, stored->seal).ok(),
                "no other seal is taken");
    return 0;
}
