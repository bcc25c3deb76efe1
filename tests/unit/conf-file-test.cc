// The syntax of settings files, and how they are read from disk.
#include "core/conf_file.h"

#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Conf_section parsed(std::string_view text)
{
    auto file = parse_conf(text, "/etc/x.conf");
    CHECK_TEXT(file.ok(), file.ok() ? "" : file.error().message.c_str());
    return std::move(*file);
}

std::string value_of(const std::string &text)
{
    const auto file = parsed("a = " + text + "\n");
    LONGS_EQUAL(1, file.entries.size());
    return file.entries[0].value;
}

std::string refusal(std::string_view text)
{
    const auto file = parse_conf(text, "/etc/x.conf");
    CHECK_TEXT(!file.ok(), "taken, but it should have been refused");
    return file.error().message;
}

bool contains(const std::string &text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_GROUP(conf_file){};

TEST(conf_file, a_setting_has_a_name_a_value_and_a_line)
{
    const auto file = parsed("\n# comment\n  cache_ttl  =  1 h \t\n");
    LONGS_EQUAL(1, file.entries.size());
    STRCMP_EQUAL("cache_ttl", file.entries[0].name.c_str());
    STRCMP_EQUAL("1 h", file.entries[0].value.c_str());
    LONGS_EQUAL(3, file.entries[0].line);
}

TEST(conf_file, blanks_around_the_equals_sign_may_be_left_out)
{
    STRCMP_EQUAL("b=c", parsed("a=b=c").entries[0].value.c_str());
}

TEST(conf_file, a_value_may_be_empty)
{
    STRCMP_EQUAL("", value_of("").c_str());
    STRCMP_EQUAL("", value_of("# comment").c_str());
    STRCMP_EQUAL("", value_of("\"\"").c_str());
}

TEST(conf_file, a_comment_ends_a_value_after_a_blank)
{
    STRCMP_EQUAL("b c", value_of("b c  # and so on").c_str());
    STRCMP_EQUAL("b", value_of("\"b\" # and so on").c_str());
}

TEST(conf_file, a_hash_right_behind_a_value_is_refused_for_it_is_ambiguous)
{
    CHECK(contains(refusal("a = b#c"), "/etc/x.conf:1: a: a # right behind the value"));
}

TEST(conf_file, quotes_keep_hashes_blanks_and_the_other_quotes)
{
    STRCMP_EQUAL(" b # 'c' ", value_of("\" b # 'c' \"").c_str());
    STRCMP_EQUAL("b \"c\"", value_of("'b \"c\"'").c_str());
}

TEST(conf_file, a_backslash_in_quotes_takes_the_next_byte_as_it_is)
{
    STRCMP_EQUAL("a\"b\\c", value_of("\"a\\\"b\\\\c\"").c_str());
    STRCMP_EQUAL("a\\b", value_of("a\\b").c_str());
}

TEST(conf_file, a_quote_that_is_not_closed_is_refused)
{
    CHECK(contains(refusal("a = \"b"), "never closed"));
    CHECK(contains(refusal("a = \"b\\\""), "never closed"));
    CHECK(contains(refusal("a = \"b\" c"), "closing quote"));
}

TEST(conf_file, a_last_line_needs_no_newline_and_carriage_returns_are_dropped)
{
    STRCMP_EQUAL("b", parsed("a = b\r\n").entries[0].value.c_str());
    STRCMP_EQUAL("b", parsed("a = b").entries[0].value.c_str());
}

TEST(conf_file, what_would_read_another_file_is_refused)
{
    CHECK(contains(refusal("!include other.conf"), "!include is not supported"));
    CHECK(contains(refusal("!include_try other.conf"), "!include is not supported"));
    CHECK(contains(refusal("a = </etc/shadow"), "not read from another file"));
    STRCMP_EQUAL("<b", value_of("\"<b\"").c_str());
}

TEST(conf_file, a_value_does_not_go_on_in_the_next_line)
{
    CHECK(contains(refusal("a = b \\\n c"), "does not go on in the next line"));
}

TEST(conf_file, control_characters_are_refused)
{
    CHECK(contains(refusal(std::string_view("a = b\0c", 7)), ":1: a control character"));
    CHECK(contains(refusal("a = b\n\na = \x7f"), ":3: a control character"));
}

TEST(conf_file, a_setting_given_twice_is_an_error_that_names_both_lines)
{
    STRCMP_EQUAL("/etc/x.conf:3: a is given twice: first in line 1, again in line 3",
                 refusal("a = 1\nb = 2\na = 1").c_str());
}

TEST(conf_file, a_section_has_a_type_a_name_and_settings_of_its_own)
{
    const auto file = parsed("a = 1\ntls_policy strict-1.2 { # why\n  a = 2\n}\nb = 3\n");
    LONGS_EQUAL(2, file.entries.size());
    LONGS_EQUAL(1, file.sections.size());
    const auto &section = file.sections[0];
    STRCMP_EQUAL("tls_policy", section.type.c_str());
    STRCMP_EQUAL("strict-1.2", section.name.c_str());
    LONGS_EQUAL(2, section.line);
    STRCMP_EQUAL("2", section.find("a")->value.c_str());
    POINTERS_EQUAL(nullptr, section.find("b"));
}

TEST(conf_file, the_same_setting_may_stand_in_two_sections)
{
    LONGS_EQUAL(2, parsed("p a {\n x = 1\n}\np b {\n x = 1\n}\n").sections.size());
}

TEST(conf_file, a_setting_after_a_section_is_still_checked_against_those_before)
{
    CHECK(contains(refusal("a = 1\np x {\n}\na = 2\n"), "given twice: first in line 1"));
}

TEST(conf_file, a_section_of_the_same_type_and_name_is_an_error_that_names_both_lines)
{
    CHECK(contains(refusal("p a {\n}\np a {\n}\n"), "first in line 1, again in line 3"));
    LONGS_EQUAL(2, parsed("p a {\n}\nq a {\n}\n").sections.size());
}

TEST(conf_file, sections_are_one_level_deep)
{
    CHECK(contains(refusal("p a {\np b {\n}\n}\n"), ":2: section p inside section p a of line 1"));
}

TEST(conf_file, a_section_that_is_never_closed_is_reported_where_it_opens)
{
    STRCMP_EQUAL("/etc/x.conf:2: section p a is never closed: } is missing",
                 refusal("x = 1\np a {\ny = 2\n").c_str());
}

TEST(conf_file, braces_stand_where_dovecot_wants_them)
{
    CHECK(contains(refusal("p a\n{\n}\n"), ":1: not understood"));
    CHECK(contains(refusal("p a { x = 1 }"), "on a line of its own"));
    CHECK(contains(refusal("}"), "without a section"));
    CHECK(contains(refusal("p a {\n} x"), "follows the }"));
}

TEST(conf_file, a_section_needs_a_valid_name)
{
    for (const std::string text : {"p {\n}", "p a/b {\n}", "p a b {\n}", "p ../a {\n}"})
        refusal(text);
    refusal("p " + std::string(65, 'a') + " {\n}");
    parsed("p " + std::string(64, 'a') + " {\n}");
}

TEST(conf_file, a_line_that_is_not_understood_is_not_quoted_for_it_may_be_a_password)
{
    for (const std::string text : {"hunter2", "password hunter2", "=hunter2", "x = \"hunter2",
                                   "x = hunter2#", "x = <hunter2", "hunter2 = 1\nhunter2 {"})
        CHECK(!contains(refusal(text), "hunter2") || text.starts_with("hunter2 ="));
}

TEST(conf_file, a_name_is_short)
{
    parsed(std::string(64, 'a') + " = 1");
    CHECK(contains(refusal(std::string(65, 'a') + " = 1"), "no name has more than 64 bytes"));
}

TEST(conf_file, words_of_a_list_are_separated_by_blanks)
{
    LONGS_EQUAL(0, split_words("  ").size());
    const auto words = split_words(" a\t bc ");
    LONGS_EQUAL(2, words.size());
    CHECK(words[0] == "a" && words[1] == "bc");
}

TEST_GROUP(read_file)
{
    std::string folder;

    void setup() override
    {
        char name[] = "/tmp/proxymap-conf-XXXXXX";
        CHECK(mkdtemp(name) != nullptr);
        folder = name;
    }
    void teardown() override
    {
        unlink((folder + "/f").c_str());
        rmdir(folder.c_str());
    }

    std::string file(const std::string &content, mode_t mode)
    {
        std::string path = folder + "/f";
        unlink(path.c_str());
        int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
        LONGS_EQUAL(content.size(), write(fd, content.data(), content.size()));
        LONGS_EQUAL(0, fchmod(fd, mode));
        close(fd);
        return path;
    }
};

TEST(read_file, the_whole_file_is_read)
{
    const std::string content(100'000, 'x');
    STRCMP_EQUAL(content.c_str(), read_file(file(content, 0644))->c_str());
}

TEST(read_file, a_missing_file_is_named_with_the_reason)
{
    STRCMP_EQUAL((folder + "/absent: cannot open: No such file or directory").c_str(),
                 read_file(folder + "/absent").error().message.c_str());
}

TEST(read_file, a_file_over_the_limit_is_refused)
{
    CHECK(read_file(file("12345", 0600), 5).ok());
    CHECK(contains(read_file(file("123456", 0600), 5).error().message, "larger than the 5 bytes"));
}

TEST(read_file, a_folder_and_a_fifo_are_refused_and_not_waited_for)
{
    CHECK(contains(read_file(folder).error().message, "not a regular file"));
    const std::string path = folder + "/f";
    LONGS_EQUAL(0, mkfifo(path.c_str(), 0600));
    CHECK(contains(read_file(path).error().message, "not a regular file"));
}

TEST(read_file, a_secret_file_is_its_owners_alone)
{
    CHECK(read_file(file("x", 0600), 10, File_access::secret).ok());
    CHECK(read_file(file("x", 0400), 10, File_access::secret).ok());
    for (const mode_t mode : {0640, 0620, 0604, 0602, 0610, 0601}) {
        const auto text = read_file(file("x", mode), 10, File_access::secret);
        CHECK(!text.ok() && contains(text.error().message, "chmod 0600"));
        CHECK(read_file(folder + "/f", 10).ok());
    }
}

TEST(read_file, a_secret_file_that_belongs_to_somebody_else_is_refused)
{
    const std::string path = file("x", 0600);
    if (chown(path.c_str(), 12345, static_cast<gid_t>(-1)) != 0)
        return; // only root can give a file away, and then read it
    CHECK(contains(read_file(path, 10, File_access::secret).error().message,
                   "belongs to user id 12345"));
}
