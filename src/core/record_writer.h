// Writes records in the formats of record_reader.h, so that they are read back to the same records.
#pragma once

#include "record_reader.h"

#include <string>
#include <vector>

namespace proxymap {

class Record_writer {
  public:
    explicit Record_writer(File_format format) : format_(format) {}

    // All records are shown here first, then all are written: csv and tsv have a column for each
    // field that any record holds. An error: this format cannot say what the record holds; it names
    // the record, and a format that can.
    Result<Done> prepare(const Record &record);

    // With its line end; "" where there is none.
    std::string header() const;
    // An error: a field that no record had which prepare() has seen.
    Result<std::string> line(const Record &record) const;

  private:
    struct Column {
        Field_id id;
        Service service;
        std::string suffix;
        auto operator<=>(const Column &) const = default;
    };

    bool is_table() const { return format_ == File_format::csv || format_ == File_format::tsv; }

    File_format format_;
    std::vector<Column> columns_; // sorted
};

} // namespace proxymap
