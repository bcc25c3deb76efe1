// What the tests of the LMDB table share: a temporary folder that goes away with the test, and
// other processes that use the table too.
#pragma once

#include "store/lmdb_table.h"

#include <functional>
#include <string>
#include <vector>

class Table_folder {
  public:
    Table_folder();
    ~Table_folder();
    Table_folder(const Table_folder &) = delete;
    Table_folder &operator=(const Table_folder &) = delete;

    std::string path(const std::string &name = "table") const { return root_ + '/' + name; }
    proxymap::Table_config config(const std::string &name = "table") const;

  private:
    std::string root_;
};

// Runs it in a child process and returns what it returned, or how it died.
std::string in_child(const std::function<std::string()> &work);
// As a user who is neither root nor in any of root's groups.
std::string as_nobody(const std::function<std::string()> &work);

// Writes these lines in one transaction; "-user john" removes. "" or the error.
std::string write_lines(const proxymap::Table_config &config,
                        const std::vector<std::string> &lines);

std::string read_all(const std::string &path);
void write_all(const std::string &path, const std::string &bytes);
// "0640" of the file, or "absent".
std::string mode_of(const std::string &path);
