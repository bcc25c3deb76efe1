// Any bytes at all as a file of records: each record handed on obeys every MUST, and without errors
// the file written anew from its records is read as the same.
#pragma once

#include "core/record_build.h"
#include "core/record_writer.h"
#include "core/records_file.h"

#include "check.h"

#include <set>
#include <sstream>
#include <utility>
#include <vector>

namespace fuzz {

using namespace proxymap;

inline std::vector<Record> read_file(const std::string &text, File_format format, Key_case key_case,
                                     File_errors *errors_r)
{
    std::vector<Record> records;
    std::set<std::pair<Kind, std::string>> seen;
    std::istringstream stream(text);
    Text_input in(stream);
    guess_format(in); // takes nothing
    Record_sorter sorted(256);
    bool twice = false;
    const auto count = read_records(
        in, format, key_case, [](const std::string &backend) { return backend == "known"; },
        [&](const Record &record) -> Result<Done> {
            check_musts(record);
            check(!record.position.known(), "a file gives no position");
            twice = !seen.emplace(record.kind, record.name).second || twice;
            records.push_back(record);
            return Done{};
        },
        sorted, errors_r);
    check(count.ok() && *count == records.size(), "the records are counted");
    check(!twice || errors_r->count > 0, "a name that comes twice is an error");
    check(errors_r->first.size() <= 20 && errors_r->first.size() <= errors_r->count &&
              errors_r->first.empty() == (errors_r->count == 0),
          "errors are counted");
    std::uint64_t line = 1;
    for (const auto &error : errors_r->first) {
        check(error.line >= line, "errors come in the order of their lines");
        line = error.line;
        check_error(Error{error.message});
    }
    // The names that were kept are those of the records, in order.
    check(sorted.rewind().ok(), "names can be walked over");
    std::set<std::pair<Kind, std::string>> kept;
    std::string last;
    for (auto next = sorted.next(); *next != nullptr; next = sorted.next()) {
        check((*next)->order >= last, "names come in order");
        last = (*next)->order;
        kept.emplace((*next)->kind, (*next)->name);
    }
    check(kept == seen, "no name is lost");
    return records;
}

inline void read_and_write(const std::string &text, File_format format)
{
    for (const auto key_case : {Key_case::lower, Key_case::keep}) {
        File_errors errors;
        const auto records = read_file(text, format, key_case, &errors);
        if (errors.count > 0) {
            continue;
        }
        Record_writer writer(format);
        bool fits = true;
        for (const auto &record : records) {
            fits = fits && writer.prepare(record).ok();
        }
        if (!fits) {
            continue;
        }
        std::string written = writer.header();
        for (const auto &record : records) {
            const auto line = writer.line(record);
            check(line.ok(), "what was announced is written");
            written += *line;
        }
        File_errors errors_again;
        const auto again = read_file(written, format, key_case, &errors_again);
        check(errors_again.count == 0 && again.size() == records.size(), "what is written is read");
        for (std::size_t i = 0; i < records.size(); i++) {
            check(again[i].kind == records[i].kind && again[i].name == records[i].name &&
                      same_fields(again[i], records[i]),
                  "what is read is what was written");
        }
    }
}

} // namespace fuzz
