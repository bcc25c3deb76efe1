// MUST never call two names equal that are not, nor leave one out: what is not in here is deleted
// from a table that shall become equal to a file.
//
// The texts come back from this process's own nameless file, which nobody else can open by a name.
#include "record_sorter.h"

#include "key.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <utility>

namespace proxymap {

namespace {

// In front of the three strings of each entry.
struct Head {
    std::uint64_t line;
    std::uint16_t order_bytes;
    std::uint16_t name_bytes;
    std::uint16_t text_bytes;
    Kind kind;
};

constexpr std::size_t max_entry_bytes =
    sizeof(Head) + max_key_bytes + 1 + max_name_bytes + max_record_bytes;
constexpr std::size_t read_bytes = 65536; // of one run at a time
static_assert(read_bytes > max_entry_bytes);

Record_sorter::Entry entry_at(const char *bytes, std::size_t *length_r)
{
    Head head{};
    std::memcpy(&head, bytes, sizeof(head));
    const char *order = bytes + sizeof(head);
    const char *name = order + head.order_bytes;
    const char *text = name + head.name_bytes;
    *length_r = sizeof(head) + head.order_bytes + head.name_bytes + head.text_bytes;
    return {{order, head.order_bytes},
            head.line,
            head.kind,
            {name, head.name_bytes},
            {text, head.text_bytes}};
}

bool comes_before(const Record_sorter::Entry &a, const Record_sorter::Entry &b)
{
    const int order = a.order.compare(b.order);
    return order != 0 ? order < 0 : a.line < b.line;
}

Error file_error(const char *what)
{
    return Error{std::string("the temporary file of the import cannot be ") + what + ": " +
                 std::strerror(errno)};
}

char rank_of(Kind kind)
{
    switch (kind) {
    case Kind::backend:
        return '0';
    case Kind::user:
        return '1';
    case Kind::domain:
        return '2';
    case Kind::default_route:
        break;
    }
    return '3';
}

} // namespace

std::string table_order(Kind kind, std::string_view name)
{
    return rank_of(kind) + encode_key({}, kind, name);
}

Result<Done> Record_sorter::add(const Record &record, std::uint64_t line)
{
    const auto text = format_record(record);
    if (record.name.size() > max_name_bytes || text.size() > max_record_bytes) {
        return Error{"a record of the import is too long to be sorted"};
    }
    if (chunk_.size() + starts_.size() * sizeof(starts_[0]) >= memory_) {
        if (auto done = write_run(); !done) {
            return done;
        }
    }
    const auto order = table_order(record.kind, record.name);
    Head head{};
    head.line = line;
    head.order_bytes = static_cast<std::uint16_t>(order.size());
    head.name_bytes = static_cast<std::uint16_t>(record.name.size());
    head.text_bytes = static_cast<std::uint16_t>(text.size());
    head.kind = record.kind;
    if (in_order_ && !starts_.empty()) {
        std::size_t length = 0;
        in_order_ = !comes_before({order, line, record.kind, record.name, text},
                                  entry_at(chunk_.data() + starts_.back(), &length));
    }
    starts_.push_back(static_cast<std::uint32_t>(chunk_.size()));
    chunk_.append(reinterpret_cast<const char *>(&head), sizeof(head));
    chunk_ += order;
    chunk_ += record.name;
    chunk_ += text;
    return Done{};
}

void Record_sorter::sort_chunk()
{
    if (std::exchange(in_order_, true)) {
        return;
    }
    std::sort(starts_.begin(), starts_.end(), [this](std::uint32_t a, std::uint32_t b) {
        std::size_t length = 0;
        return comes_before(entry_at(chunk_.data() + a, &length),
                            entry_at(chunk_.data() + b, &length));
    });
}

Result<Done> Record_sorter::write_run()
{
    if (starts_.empty()) {
        return Done{};
    }
    if (!file_) {
        // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): without a name, gone with the process
        file_.reset(std::tmpfile());
        if (!file_) {
            return file_error("made");
        }
    }
    sort_chunk();
    Run run{written_, written_};
    for (const auto start : starts_) {
        std::size_t length = 0;
        entry_at(chunk_.data() + start, &length);
        if (std::fwrite(chunk_.data() + start, 1, length, file_.get()) != length) {
            return file_error("written");
        }
        run.end += length;
    }
    written_ = run.end;
    runs_.push_back(run);
    chunk_.clear();
    starts_.clear();
    return Done{};
}

Result<Done> Record_sorter::rewind()
{
    next_ = 0;
    last_ = nullptr;
    if (runs_.empty()) {
        sort_chunk();
        return Done{};
    }
    if (auto done = write_run(); !done) {
        return done;
    }
    if (std::fflush(file_.get()) != 0) {
        return file_error("written");
    }
    readers_.assign(runs_.size(), {});
    for (std::size_t i = 0; i < runs_.size(); i++) {
        readers_[i].at = runs_[i].at;
        readers_[i].end = runs_[i].end;
        if (auto done = advance(readers_[i]); !done) {
            return done;
        }
    }
    return Done{};
}

// Reads on when what is left in memory may not be a whole entry.
Result<Done> Record_sorter::advance(Reader &reader)
{
    const auto left = reader.bytes.size() - reader.start;
    if (left < max_entry_bytes && reader.at < reader.end) {
        reader.bytes.erase(0, reader.start);
        reader.start = 0;
        const auto want =
            static_cast<std::size_t>(std::min<std::uint64_t>(read_bytes, reader.end - reader.at));
        reader.bytes.resize(left + want);
        for (std::size_t got = 0; got < want;) {
            const auto bytes = pread(fileno(file_.get()), reader.bytes.data() + left + got,
                                     want - got, static_cast<off_t>(reader.at + got));
            if (bytes == 0) {
                errno = EIO;
            }
            if (bytes <= 0) {
                return file_error("read");
            }
            got += static_cast<std::size_t>(bytes);
        }
        reader.at += want;
    }
    reader.done = reader.start == reader.bytes.size();
    if (!reader.done) {
        std::size_t length = 0;
        reader.entry = entry_at(reader.bytes.data() + reader.start, &length);
        reader.start += length;
    }
    return Done{};
}

Result<const Record_sorter::Entry *> Record_sorter::next()
{
    if (runs_.empty()) {
        if (next_ == starts_.size()) {
            return nullptr;
        }
        std::size_t length = 0;
        entry_ = entry_at(chunk_.data() + starts_[next_++], &length);
        return &entry_;
    }
    if (last_ != nullptr) {
        if (auto done = advance(*last_); !done) {
            return done.error();
        }
    }
    last_ = nullptr;
    for (auto &reader : readers_) {
        if (!reader.done && (last_ == nullptr || comes_before(reader.entry, last_->entry))) {
            last_ = &reader;
        }
    }
    return last_ == nullptr ? nullptr : &last_->entry;
}

} // namespace proxymap
