// Any bytes at all as a routes file: each record handed on obeys every MUST, and without errors the
// file written anew from its records is read as the same.
#include "core/routes_file.h"

#include "check.h"

#include <set>
#include <sstream>
#include <utility>

using namespace proxymap;

namespace {

std::string read_and_write(const std::string &text, Key_case key_case, Routes_file_errors *errors_r)
{
    std::string written;
    std::set<std::pair<Kind, std::string>> names;
    std::uint64_t handed_on = 0;
    std::istringstream in(text);
    const auto count = read_routes(
        in, key_case, [](const std::string &backend) { return backend == "known"; },
        [&](Record &&record) {
            fuzz::check_musts(record);
            fuzz::check(!record.position.known(), "a routes file gives no position");
            fuzz::check(names.emplace(record.kind, record.name).second, "a name comes only once");
            written += format_record(record) + "\n";
            handed_on++;
        },
        errors_r);
    fuzz::check(count == handed_on, "the records are counted");
    fuzz::check(errors_r->first.size() <= 20 && errors_r->first.size() <= errors_r->count &&
                    errors_r->first.empty() == (errors_r->count == 0),
                "errors are counted");
    for (const auto &error : errors_r->first) {
        fuzz::check(error.line > 0, "an error has a line");
        fuzz::check_error(Error{error.message});
    }
    return written;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string text(reinterpret_cast<const char *>(data), size);
    for (const auto key_case : {Key_case::lower, Key_case::keep}) {
        Routes_file_errors errors;
        const auto written = read_and_write(text, key_case, &errors);
        if (errors.count > 0) {
            continue;
        }
        Routes_file_errors errors_again;
        const auto again = read_and_write(written, key_case, &errors_again);
        fuzz::check(errors_again.count == 0 && again == written, "what is written is read as is");
    }
    return 0;
}
