// The settings as Dovecot 2.4 reads them itself; see native_settings.h.
//
// MUST: the module for doveconf and those of auth, login processes and doveadm describe the same
// settings in the same order, for Dovecot refuses to start otherwise. So the description is made
// here alone, from core's lists.
#include "native_settings.h"

#include "../core/setting_sections.h"
#include "../core/text.h"

#include "dovecot.h"

#include <cstddef>
#include <cstring>
#include <deque>
#include <exception>

extern "C" {
#include <master-service-settings.h>
#include <settings-parser.h>
#include <settings.h>
}

namespace proxymap {

namespace {

constexpr const char *prefix = "proxymap_";

// Where Dovecot puts what it has read: the pool that it lies in, and behind that a word for each
// text, or an array for each list of sections.
struct Read_header {
    pool_t pool;
};

// As Dovecot ends its own lists: since 2.4.2 with a flag, which it looks for.
setting_define end_of_list()
{
    const setting_define *define = master_service_setting_parser_info.defines;
    while (define->key != nullptr)
        define++;
    return *define;
}

// A setting_parser_info that is put together when the module is loaded. It lives until the process
// ends, and never moves.
class Description {
  public:
    using Check = bool (*)(void *set, pool_t pool, const char **error_r);

    // check: null for none.
    Description(const std::string &name, Check check)
    {
        info_.name = keep(name);
        info_.check_func = check;
        info_.pool_offset1 = 1 + offsetof(Read_header, pool);
    }
    Description(const Description &) = delete;
    Description &operator=(const Description &) = delete;

    void add_text(const std::string &key, std::string_view default_value,
                  setting_type type = SET_STR_NOVARS)
    {
        const char *value = keep(std::string(default_value));
        std::memcpy(add(key, type, sizeof(value)), &value, sizeof(value));
    }
    // Sections `key NAME { }`, or with a `/` before their name, as their own array says.
    void add_sections(const std::string &key, const std::string &name_key)
    {
        add(key, SET_FILTER_ARRAY, sizeof(ARRAY_TYPE(const_string)));
        defines_.back().filter_array_field_name = keep(name_key);
    }
    void add_filter(const std::string &key) { add(key, SET_FILTER_NAME, 0); }

    const setting_parser_info *finish()
    {
        defines_.push_back(end_of_list());
        info_.defines = defines_.data();
        info_.defaults = defaults_.data();
        info_.struct_size = defaults_.size();
        return &info_;
    }
    const setting_parser_info *info() const { return &info_; }

    // Null: no such key.
    const setting_define *find(const std::string &key) const
    {
        for (const setting_define &define : defines_) {
            if (define.key != nullptr && key == define.key)
                return &define;
        }
        return nullptr;
    }
    std::string_view text(const void *set, const std::string &key) const
    {
        return *static_cast<const char *const *>(CONST_PTR_OFFSET(set, find(key)->offset));
    }
    std::string_view default_text(const std::string &key) const
    {
        return text(defaults_.data(), key);
    }
    std::vector<std::string> names(const void *set, const std::string &key) const
    {
        const auto *array =
            static_cast<const ARRAY_TYPE(const_string) *>(CONST_PTR_OFFSET(set, find(key)->offset));
        std::vector<std::string> names;
        if (array->arr.buffer == nullptr)
            return names;
        unsigned int count;
        auto *list = static_cast<const char *const *>(array_get_i(&array->arr, &count));
        names.assign(list, list + count);
        return names;
    }

  private:
    const char *keep(std::string text) { return texts_.emplace_back(std::move(text)).c_str(); }

    std::byte *add(const std::string &key, setting_type type, std::size_t size)
    {
        static_assert(sizeof(ARRAY_TYPE(const_string)) % sizeof(void *) == 0);
        setting_define define = {};
        define.type = type;
        define.key = keep(key);
        define.offset = defaults_.size();
        defines_.push_back(define);
        defaults_.resize(defaults_.size() + size);
        return defaults_.data() + define.offset;
    }

    setting_parser_info info_ = {};
    std::vector<setting_define> defines_;
    std::vector<std::byte> defaults_ = std::vector<std::byte>(sizeof(Read_header));
    std::deque<std::string> texts_;
};

// "proxymap_tls_policy_": what the names of its settings begin with.
std::string prefix_of(const Setting_section &section)
{
    return section.type.empty() ? prefix : prefix + std::string(section.type) + "_";
}

bool check_values(const Setting_section &section, const Description &description, void *set,
                  const char **error_r);

// Sections in the order of setting_sections(), and then passdb's.
struct Descriptions {
    std::vector<std::unique_ptr<Description>> sections;
    Description passdb{"proxymap_passdb", nullptr};
    std::vector<const setting_parser_info *> infos; // ends with null

    Descriptions();
};

Descriptions &descriptions()
{
    static auto *all = new Descriptions; // NOLINT: Dovecot keeps pointers to it until it exits
    return *all;
}

// Dovecot calls these with nothing that would tell which one it means.
template <std::size_t Index> bool check(void *set, pool_t, const char **error_r) noexcept
{
    try {
        return check_values(setting_sections()[Index], *descriptions().sections[Index], set,
                            error_r);
    } catch (const std::exception &error) {
        *error_r = t_strdup(error.what());
        return false;
    }
}

constexpr Description::Check checks[] = {check<0>, check<1>, check<2>, check<3>};

Descriptions::Descriptions()
{
    for (const Setting_section &section : setting_sections()) {
        const bool plain = section.type.empty();
        auto &description = *sections.emplace_back(std::make_unique<Description>(
            plain ? "proxymap" : prefix + std::string(section.type), checks[sections.size()]));
        if (plain) {
            description.add_filter("passdb_proxymap");
            description.add_sections("passdb", "passdb_name");
            for (const Setting_section &other : setting_sections()) {
                if (!other.type.empty())
                    description.add_sections(prefix + std::string(other.type),
                                             prefix_of(other) + "name");
            }
        } else {
            description.add_text(prefix_of(section) + "name", "");
        }
        for (const Setting_info &setting : section.settings)
            description.add_text(prefix_of(section) + std::string(setting.name),
                                 setting.default_value);
        infos.push_back(description.finish());
    }
    // Dovecot's own, as auth-settings.c describes them.
    passdb.add_text("passdb_name", "", SET_STR);
    passdb.add_text("passdb_driver", "", SET_STR);
    infos.push_back(passdb.finish());
    infos.push_back(nullptr);
}

// What no line of a file could hold either.
bool is_line(std::string_view value)
{
    return std::none_of(value.begin(), value.end(),
                        [](char c) { return is_control(c) && c != '\t'; });
}

// Each value alone: what stands in a block is checked without what stands outside.
bool check_values(const Setting_section &section, const Description &description, void *set,
                  const char **error_r)
{
    for (const Setting_info &setting : section.settings) {
        const std::string key = prefix_of(section) + std::string(setting.name);
        const std::string_view value = description.text(set, key);
        if (value == description.default_text(key))
            continue;
        Result<Done> done = section.check(setting.name, value);
        if (done && !is_line(value))
            done = Error{"a control character, which no value may hold"};
        if (!done) {
            *error_r = t_strdup((key + " = " + quote(value) + ": " + done.error().message).c_str());
            return false;
        }
    }
    return true;
}

// Frees what settings_get() gave.
class Read_settings {
  public:
    explicit Read_settings(const void *set) : set_(set) {}
    ~Read_settings()
    {
        if (set_ != nullptr) {
            pool_t pool = static_cast<const Read_header *>(set_)->pool;
            pool_unref(&pool);
        }
    }
    Read_settings(Read_settings &&other) noexcept : set_(std::exchange(other.set_, nullptr)) {}
    Read_settings &operator=(Read_settings &&) = delete;
    const void *get() const { return set_; }

  private:
    const void *set_;
};

// filter: "" for none, else the key of the sections of which `name` is one.
Result<Read_settings> read(event *event, const Description &description, const std::string &filter,
                           const std::string &name)
{
    const void *set = nullptr;
    const char *error = nullptr;
    // In parentheses, for the macros of these names are C's.
    const int ret = filter.empty() ? (settings_get)(event, description.info(), settings_get_flags{},
                                                    __FILE__, __LINE__, &set, &error)
                                   : (settings_get_filter)(event, filter.c_str(), name.c_str(),
                                                           description.info(), settings_get_flags{},
                                                           __FILE__, __LINE__, &set, &error);
    if (ret < 0)
        return Error{error};
    return Read_settings(set);
}

void add_entries(const Setting_section &section, const Description &description, const void *set,
                 std::vector<Conf_entry> *entries_r)
{
    for (const Setting_info &setting : section.settings) {
        const std::string key = prefix_of(section) + std::string(setting.name);
        const std::string_view value = description.text(set, key);
        if (value != description.default_text(key))
            entries_r->push_back({std::string(setting.name), std::string(value)});
    }
}

} // namespace

const setting_parser_info *const *native_setting_infos()
{
    return descriptions().infos.data();
}

Result<Conf_section> read_native_settings(event *event)
{
    const auto sections = setting_sections();
    const Description &plain = *descriptions().sections[0];
    Result<Read_settings> set = read(event, plain, "", "");
    if (!set)
        return set.error();
    Conf_section file;
    add_entries(sections[0], plain, set->get(), &file.entries);
    for (std::size_t i = 1; i < sections.size(); i++) {
        const std::string filter = prefix + std::string(sections[i].type);
        for (const std::string &name : plain.names(set->get(), filter)) {
            if (!is_conf_name(name))
                return Error{filter + " needs a name of 1 to 64 letters, digits, and . _ -"};
            const Description &description = *descriptions().sections[i];
            Result<Read_settings> section_set = read(event, description, filter, name);
            if (!section_set)
                return section_set.error();
            Conf_section &section = file.sections.emplace_back();
            section.type = sections[i].type;
            section.name = name;
            add_entries(sections[i], description, section_set->get(), &section.entries);
        }
    }
    return file;
}

Result<std::vector<std::string>> find_native_passdbs(event *event)
{
    const Description &plain = *descriptions().sections[0];
    const Description &passdb = descriptions().passdb;
    Result<Read_settings> set = read(event, plain, "", "");
    if (!set)
        return set.error();
    std::vector<std::string> found;
    for (const std::string &name : plain.names(set->get(), "passdb")) {
        Result<Read_settings> block = read(event, passdb, "passdb", name);
        if (!block)
            return block.error();
        const std::string_view driver = passdb.text(block->get(), "passdb_driver");
        if ((driver.empty() ? name : driver) == "proxymap")
            found.push_back(name);
    }
    return found;
}

Result<Conf_section> read_native_passdb_settings(event *event, const std::string &block)
{
    struct event *inside = event_create(event);
    if (!block.empty()) {
        // As auth_passdb_preinit() in auth.c.
        settings_event_add_filter_name(inside, "passdb_proxymap");
        settings_event_add_list_filter_name(inside, "passdb", block.c_str());
    }
    Result<Conf_section> settings = read_native_settings(inside);
    event_unref(&inside);
    return settings;
}

} // namespace proxymap
