// The records of a file, brought into the table's order in bounded memory, however long the file:
// what does not fit goes to a nameless temporary file as sorted runs, which are then read side by
// side. So names that stand twice come out as neighbours, a table that is written in this order
// touches each of its pages once, and walking over both together finds what the table has too much.
//
// Why not in memory: the tool shall not grow with the file. Why not an LMDB: a million random
// inserts take longer than the import itself.
#pragma once

#include "record.h"
#include "result.h"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// By which a table's for_each() is in order: its kinds, then the bytes of its keys.
std::string table_order(Kind kind, std::string_view name);

class Record_sorter {
  public:
    struct Entry {
        std::string_view order; // table_order()
        std::uint64_t line = 0;
        Kind kind = Kind::user;
        std::string_view name;
        std::string_view text; // format_record()
    };

    explicit Record_sorter(std::size_t memory = 16U << 20U) : memory_(memory) {}

    // record: folded, and check_record() found it good. line: from 1. Not after rewind().
    Result<Done> add(const Record &record, std::uint64_t line);

    // To be called before the first next(), and again for another walk.
    Result<Done> rewind();
    // In the order of table_order(), then of the lines. Null: the end. Valid until the next call.
    // Errors: the temporary file cannot be read.
    Result<const Entry *> next();

  private:
    struct Close {
        // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): stdio's, in C
        void operator()(std::FILE *file) const { std::fclose(file); }
    };
    struct Run { // a sorted part: in the file from `at` to `end`, or all in chunk_
        std::uint64_t at = 0;
        std::uint64_t end = 0;
    };
    struct Reader {
        std::uint64_t at = 0;
        std::uint64_t end = 0;
        std::string bytes;
        std::size_t start = 0;
        Entry entry;
        bool done = false;
    };
    void sort_chunk();
    Result<Done> write_run();
    Result<Done> advance(Reader &reader);

    std::size_t memory_;
    std::string chunk_; // entries one behind the other
    std::vector<std::uint32_t> starts_;
    bool in_order_ = true; // as most files are
    std::unique_ptr<std::FILE, Close> file_;
    std::uint64_t written_ = 0;
    std::vector<Run> runs_;
    std::vector<Reader> readers_;
    Reader *last_ = nullptr; // whose entry was handed out
    std::size_t next_ = 0;   // of starts_, without runs
    Entry entry_;
};

} // namespace proxymap
