// Reads Dovecot's own settings syntax, as its config-parser.c understands it, less what would be a
// trap in a file that decides where passwords go: no !include, no `value = <file`, no lines that
// go on in the next one, no `#` whose meaning is in doubt. Each of these is an error here.
//
// Must never quote a value in an error: credentials are read by this parser too, and errors are
// logged.
#include "conf_file.h"

#include "text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace proxymap {

namespace {

constexpr std::size_t max_conf_name_bytes = 64;

bool is_name_char(char c)
{
    return is_alnum(c) || c == '_' || c == '-' || c == '.';
}

std::string_view trim_left(std::string_view text)
{
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    return text;
}

std::string_view trim_right(std::string_view text)
{
    while (!text.empty() && is_blank(text.back()))
        text.remove_suffix(1);
    return text;
}

bool is_rest_of_line_empty(std::string_view rest)
{
    rest = trim_left(rest);
    return rest.empty() || rest.front() == '#';
}

// "..." or '...'; a backslash takes the next byte as it is, as in Dovecot.
Result<std::string> parse_quoted_value(std::string_view text)
{
    const char quote = text.front();
    std::string value;
    std::size_t i = 1;
    for (; i < text.size() && text[i] != quote; i++) {
        if (text[i] == '\\' && i + 1 < text.size())
            i++;
        value += text[i];
    }
    if (i >= text.size())
        return Error{"the value's opening quote is never closed"};
    if (!is_rest_of_line_empty(text.substr(i + 1)))
        return Error{"something follows the value's closing quote: write a quote inside quotes "
                     "as \\\" or \\'"};
    return value;
}

Result<std::string> parse_value(std::string_view text)
{
    text = trim_left(text);
    if (text.empty())
        return std::string();
    if (text.front() == '"' || text.front() == '\'')
        return parse_quoted_value(text);
    if (text.front() == '<')
        return Error{"a value is not read from another file here: write it out, or in quotes if "
                     "it really begins with <"};
    std::size_t hash = text.find('#');
    if (hash != std::string_view::npos) {
        // Dovecot takes this for a comment and warns; half a password would be the result.
        if (hash > 0 && !is_blank(text[hash - 1]))
            return Error{"a # right behind the value: put a blank before it if a comment begins "
                         "there, or the value in quotes if it belongs to it"};
        text = text.substr(0, hash);
    }
    text = trim_right(text);
    if (!text.empty() && text.back() == '\\')
        return Error{"a value does not go on in the next line: write it in one, or in quotes if "
                     "it really ends in \\"};
    return std::string(text);
}

class Parser {
  public:
    explicit Parser(const std::string &path) : path_(path) {}

    Result<Conf_section> parse(std::string_view text)
    {
        Conf_section file;
        file.line = 1;
        while (!text.empty()) {
            line_++;
            std::size_t end = text.find('\n');
            std::string_view line = text.substr(0, end);
            text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
            if (!line.empty() && line.back() == '\r')
                line.remove_suffix(1);
            if (Result<Done> done = parse_line(line, &file); !done)
                return conf_error(path_, line_, done.error().message);
        }
        if (open_ != nullptr)
            return conf_error(path_, open_->line,
                              "section " + open_->type + " " + open_->name +
                                  " is never closed: } is missing");
        return file;
    }

  private:
    Result<Done> parse_line(std::string_view line, Conf_section *file)
    {
        if (std::any_of(line.begin(), line.end(),
                        [](char c) { return is_control(c) && c != '\t'; }))
            return Error{"a control character, which no value may hold"};
        line = trim_left(line);
        if (line.empty() || line.front() == '#')
            return Done{};
        if (line.front() == '}')
            return close_section(line.substr(1));
        if (line.front() == '!')
            return Error{"!include is not supported here: write the settings into this file"};

        std::size_t length = 0;
        while (length < line.size() && is_name_char(line[length]))
            length++;
        std::string_view word = line.substr(0, length);
        std::string_view rest = trim_left(line.substr(length));
        if (word.empty())
            return Error{"not understood: a line is `name = value`, `type name {`, `}` or a "
                         "# comment"};
        if (word.size() > max_conf_name_bytes)
            return Error{"not understood: no name has more than " +
                         std::to_string(max_conf_name_bytes) + " bytes"};
        if (!rest.empty() && rest.front() == '=')
            return add_entry(word, rest.substr(1), open_ != nullptr ? open_ : file);
        if (rest.size() != line.size() - length || rest.substr(0, 1) == "{")
            return open_section(word, rest, file);
        // Not quoted: a line that is no setting may be a password that lost its name.
        return Error{"not understood: = is missing, a line is `name = value`, `type name {`, `}` "
                     "or a # comment"};
    }

    Result<Done> add_entry(std::string_view name, std::string_view text, Conf_section *section)
    {
        Result<std::string> value = parse_value(text);
        if (!value)
            return Error{std::string(name) + ": " + value.error().message};
        auto [first, is_new] = lines_.try_emplace(std::string(name), line_);
        if (!is_new)
            return Error{std::string(name) + " is given twice: first in line " +
                         std::to_string(first->second) + ", again in line " +
                         std::to_string(line_)};
        section->entries.push_back({std::string(name), std::move(*value), line_});
        return Done{};
    }

    Result<Done> open_section(std::string_view type, std::string_view rest, Conf_section *file)
    {
        std::size_t length = 0;
        while (length < rest.size() && is_name_char(rest[length]))
            length++;
        std::string_view name = rest.substr(0, length);
        rest = trim_left(rest.substr(length));
        if (rest.empty() || rest.front() != '{')
            return Error{"not understood: a line is `name = value`, `type name {` (with the { on "
                         "the same line), `}` or a # comment"};
        if (!is_rest_of_line_empty(rest.substr(1)))
            return Error{"section " + std::string(type) +
                         ": each of its settings, and its }, stands on a line of its own"};
        if (open_ != nullptr)
            return Error{"section " + std::string(type) + " inside section " + open_->type + " " +
                         open_->name + " of line " + std::to_string(open_->line) +
                         ": sections are one level deep, is a } missing?"};
        if (!is_conf_name(name))
            return Error{"section " + std::string(type) +
                         " needs a name of 1 to 64 letters, digits, and . _ -"};
        auto [first, is_new] =
            section_lines_.try_emplace({std::string(type), std::string(name)}, line_);
        if (!is_new)
            return Error{"section " + std::string(type) + " " + std::string(name) +
                         " is given twice: first in line " + std::to_string(first->second) +
                         ", again in line " + std::to_string(line_)};
        Conf_section &section = file->sections.emplace_back();
        section.type = type;
        section.name = name;
        section.line = line_;
        open_ = &section; // nothing is added to file->sections while it is open
        outer_lines_.swap(lines_);
        return Done{};
    }

    Result<Done> close_section(std::string_view rest)
    {
        if (!is_rest_of_line_empty(rest))
            return Error{"something follows the }: it stands on a line of its own"};
        if (open_ == nullptr)
            return Error{"a } without a section that it could close"};
        open_ = nullptr;
        lines_.clear();
        outer_lines_.swap(lines_);
        return Done{};
    }

    const std::string &path_;
    unsigned line_ = 0;
    Conf_section *open_ = nullptr;
    std::map<std::string, unsigned> lines_, outer_lines_; // where each setting was given
    std::map<std::pair<std::string, std::string>, unsigned> section_lines_;
};

// Asks the open file, not the path: what was checked is what is read.
std::optional<Error> check_secret(const struct stat &status, const std::string &path)
{
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return Error{path + ": it holds secrets but belongs to user id " +
                     std::to_string(status.st_uid) + ": make it root's (chown root " + path + ")"};
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return Error{path +
                     ": it holds secrets but its group or others have access to it: allow "
                     "its owner alone (chmod 0600 " +
                     path + ")"};
    return std::nullopt;
}

} // namespace

const Conf_entry *Conf_section::find(std::string_view wanted) const
{
    auto found = std::find_if(entries.begin(), entries.end(),
                              [&](const Conf_entry &entry) { return entry.name == wanted; });
    return found == entries.end() ? nullptr : &*found;
}

std::vector<std::string_view> split_words(std::string_view value)
{
    std::vector<std::string_view> words;
    while (!value.empty()) {
        std::size_t length = std::min(value.find_first_of(" \t"), value.size());
        if (length > 0)
            words.push_back(value.substr(0, length));
        value.remove_prefix(std::min(length + 1, value.size()));
    }
    return words;
}

bool is_conf_name(std::string_view name)
{
    return !name.empty() && name.size() <= max_conf_name_bytes &&
           std::all_of(name.begin(), name.end(), is_name_char);
}

Error conf_error(const std::string &path, unsigned line, const std::string &what)
{
    return Error{path + (line == 0 ? "" : ":" + std::to_string(line)) + ": " + what};
}

Result<Conf_section> parse_conf(std::string_view text, const std::string &path)
{
    return Parser(path).parse(text);
}

Result<Open_file> Open_file::open(const std::string &path, File_access access)
{
    // O_NONBLOCK: a FIFO must not hang whoever reads it.
    Open_file file(path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file.fd_ < 0)
        return file.system_error("open");
    struct stat status;
    if (fstat(file.fd_, &status) < 0)
        return file.system_error("stat");
    if (!S_ISREG(status.st_mode))
        return Error{path + ": not a regular file"};
    if (access == File_access::secret) {
        if (std::optional<Error> error = check_secret(status, path))
            return *error;
    }
    file.size_ = static_cast<std::size_t>(status.st_size);
    return file;
}

Open_file::~Open_file()
{
    if (fd_ >= 0)
        close(fd_);
}

Error Open_file::system_error(const char *what) const
{
    return Error{path_ + ": cannot " + what + ": " + std::strerror(errno)};
}

Result<std::string> Open_file::read(std::size_t max_bytes) const
{
    // Not by its size alone: the file may grow meanwhile, and files of /proc say 0. A byte more
    // than the size is asked for, so that most files are read, and seen to end, by one call.
    std::string text(std::min(size_, max_bytes) + 1, '\0');
    std::size_t length = 0;
    for (;;) {
        const ssize_t got =
            pread(fd_, text.data() + length, text.size() - length, static_cast<off_t>(length));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return system_error("read");
        length += static_cast<std::size_t>(got);
        if (length > max_bytes)
            return Error{path_ + ": larger than the " + std::to_string(max_bytes) +
                         " bytes that are allowed"};
        if (got == 0 || (length == size_ && length < text.size())) {
            text.resize(length);
            return text;
        }
        if (length == text.size())
            text.resize(length + 16384);
    }
}

Result<std::string> read_file(const std::string &path, std::size_t max_bytes, File_access access)
{
    const Result<Open_file> file = Open_file::open(path, access);
    if (!file)
        return file.error();
    return file->read(max_bytes);
}

} // namespace proxymap
