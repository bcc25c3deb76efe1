// MUST report everything that is not a whole good record, so that the caller takes over all of the
// file or nothing.
#include "records_file.h"

#include "text.h"

#include <algorithm>
#include <map>

namespace proxymap {

namespace {

constexpr std::size_t max_reported_errors = 20;

using References = std::map<std::string, std::uint64_t, std::less<>>; // backend, its first line

// Names that stand twice, and the backends' names among `wanted`, which are taken out of there.
Result<Done> check_names(Record_sorter &sorted, Key_case key_case, References &wanted,
                         File_errors &errors)
{
    if (auto done = sorted.rewind(); !done) {
        return done;
    }
    std::string last;
    std::uint64_t last_line = 0;
    for (;;) {
        const auto next = sorted.next();
        if (!next) {
            return next.error();
        }
        const auto *entry = *next;
        if (entry == nullptr) {
            return Done{};
        }
        if (entry->order == last) {
            errors.add(entry->line, std::string(to_string(entry->kind)) + " " + quote(entry->name) +
                                        " stands on line " + std::to_string(last_line) +
                                        " already" +
                                        (key_case == Key_case::lower
                                             ? "; names that differ only by case are the same"
                                             : ""));
            continue;
        }
        last = entry->order;
        last_line = entry->line;
        if (entry->kind == Kind::backend) {
            if (const auto it = wanted.find(entry->name); it != wanted.end()) {
                wanted.erase(it);
            }
        }
    }
}

} // namespace

void File_errors::add(std::uint64_t line, std::string message)
{
    count++;
    const auto after =
        std::upper_bound(first.begin(), first.end(), line,
                         [](std::uint64_t a, const Line_error &b) { return a < b.line; });
    first.insert(after, {line, std::move(message)});
    if (first.size() > max_reported_errors) {
        first.pop_back();
    }
}

Result<std::uint64_t>
read_records(Text_input &in, File_format format, Key_case key_case,
             const std::function<bool(const std::string &backend)> &known_backend,
             const std::function<Result<Done>(const Record &)> &each, Record_sorter &sorted,
             File_errors *errors_r)
{
    File_errors &errors = *errors_r;
    References references;
    std::uint64_t records = 0;
    std::uint64_t line = 0;
    const auto reader = make_record_reader(format, in);
    while (auto item = reader->next()) {
        line = item->line;
        if (!item->record) {
            errors.add(line, item->record.error().message);
            continue;
        }
        Record &record = *item->record;
        fold_record(record, key_case);
        if (const auto kept = sorted.add(record, line); !kept) {
            return kept.error();
        }
        for (const auto &field : record.fields) {
            if (field.id == Field_id::backend || field.id == Field_id::failover) {
                references.try_emplace(field.value, line);
            }
        }
        if (const auto taken = each(record); !taken) {
            errors.add(line, taken.error().message);
            continue;
        }
        records++;
    }
    if (in.failed()) {
        errors.add(line + 1, "reading failed: the file ends here only by an error");
    }
    if (const auto checked = check_names(sorted, key_case, references, errors); !checked) {
        return checked.error();
    }
    for (const auto &[name, at] : references) {
        if (!known_backend || !known_backend(name)) {
            errors.add(at, "backend " + quote(name) +
                               " is neither in this file nor in the table; write a record for "
                               "it: backend " +
                               name + " host=ADDRESS");
        }
    }
    return records;
}

} // namespace proxymap
