// src/core/replica_file.cc: a part of a file is never taken for the whole.
#include "core/replica_file.h"

#include <sstream>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const Position now{0xab, 1, 7};
const std::string start = "# proxymap replica at 00000000000000ab.1.7\n";
const std::string john = "user john backend=b1 pos=00000000000000ab.1.3\n";
const std::string joe = "user joe host=b pos=00000000000000ab.1.7\n";

// "john joe" for what is read, or the error with its line.
std::string read(const std::string &text)
{
    std::istringstream in(text);
    Text_input input(in);
    Replica_file_reader file(input, Key_case::lower);
    const auto at = [&file](const Error &error) {
        return std::to_string(file.line()) + ": " + error.message;
    };
    const auto position = file.start();
    if (!position)
        return at(position.error());
    std::string names;
    for (;;) {
        const auto entry = file.next();
        if (!entry)
            return at(entry.error());
        if (!*entry)
            return names;
        names += (names.empty() ? "" : " ") + (*entry)->record.name;
    }
}

void check_refused(const std::string &text, const std::string &because)
{
    const std::string said = read(text);
    CHECK_TEXT(said.find(because) != std::string::npos, said.c_str());
}

} // namespace

TEST_GROUP(replica_file){};

TEST(replica_file, begins_with_its_position_and_ends_with_its_number)
{
    STRCMP_EQUAL(start.c_str(), replica_file_start(now).c_str());
    STRCMP_EQUAL("# end of 2 records\n", replica_file_end(2).c_str());
    STRCMP_EQUAL("john joe", read(start + john + joe + replica_file_end(2)).c_str());
    STRCMP_EQUAL("", read(start + replica_file_end(0)).c_str());
}

TEST(replica_file, gives_each_record_as_it_is_stored)
{
    const std::string stored = john.substr(0, john.size() - 1);
    std::istringstream in(start + john);
    Text_input input(in);
    Replica_file_reader reader(input, Key_case::lower);
    CHECK(*reader.start() == now);
    const auto entry = reader.next();
    STRCMP_EQUAL(stored.c_str(), std::string((*entry)->text).c_str());
    CHECK((*entry)->record.position == (Position{0xab, 1, 3}));
}

TEST(replica_file, that_is_cut_off_anywhere_is_refused)
{
    const std::string whole = start + john + joe + "# end of 2 records";
    STRCMP_EQUAL("john joe", read(whole).c_str());
    for (std::size_t length = 0; length < whole.size(); length++)
        CHECK_TEXT(read(whole.substr(0, length)).find(": ") != std::string::npos,
                   whole.substr(0, length).c_str());
}

TEST(replica_file, with_a_record_too_few_or_something_behind_its_end_is_refused)
{
    check_refused(start + joe + replica_file_end(2), "3: it is no record, and no end of 1 record");
    check_refused(start + john + replica_file_end(1) + joe, "3: something follows behind the end");
    check_refused(start + "\n" + replica_file_end(0), "2: ");
}

TEST(replica_file, of_another_kind_is_refused)
{
    check_refused("", "1: it is no file of");
    check_refused(john, "1: it is no file of");
    check_refused("# proxymap replica at 00000000000000ab.1.0\n", "1: it is no file of");
    check_refused(start + "user john backend=b1\n" + replica_file_end(1),
                  "2: a stored record ends");
}

TEST(replica_file, has_no_record_of_another_table_or_a_later_position)
{
    check_refused(start + "user a host=b pos=00000000000000ac.1.3\n" + replica_file_end(1),
                  "2: the record's position");
    check_refused(start + "user a host=b pos=00000000000000ab.1.8\n" + replica_file_end(1),
                  "2: the record's position");
    check_refused(start + "user a host=b pos=00000000000000ab.1.3 seal=k:x\n" + replica_file_end(1),
                  "2: a seal does not belong here");
}
