// Reads passdb and userdb blocks; see auth_chain.h.
#include "auth_chain.h"

#include "../core/conf_file.h"

#include <algorithm>

namespace proxymap {

namespace {

// "passdb_result_success" and "passdb_static_password" are what 2.4 also calls them.
std::string_view without_prefix(std::string_view name, const std::string &type)
{
    for (const std::string &prefix : {type + "_static_", type + "_"}) {
        if (name.starts_with(prefix))
            return name.substr(prefix.size());
    }
    return name;
}

void add_fields(std::string_view words, bool laid, Auth_block *block)
{
    for (const std::string_view word : split_words(words)) {
        const std::size_t equals = word.find('=');
        const std::string name(word.substr(0, equals));
        block->fields[name] = equals == std::string_view::npos ? "" : word.substr(equals + 1);
        if (laid)
            block->laid_fields.push_back(name);
    }
}

void read_setting(std::string_view name, const std::string &value, Auth_block *block)
{
    if (name == "driver")
        block->driver = value;
    else if (name == "args")
        block->args = value;
    else if (name == "result_success")
        block->result_success = value;
    else if (name == "result_failure")
        block->result_failure = value;
    else if (name == "result_internalfail")
        block->result_internalfail = value;
    else if (name == "skip")
        block->skip = value;
    else if (name == "master")
        block->is_master = value == "yes";
    else if (name == "deny")
        block->is_deny = value == "yes";
    else if (name == "mechanisms" || name == "mechanisms_filter" || name == "username_filter")
        block->skips_some_logins = block->skips_some_logins || !value.empty();
    else if (name == "allow_all_users")
        block->allow_all_users = value == "yes";
    else if (name == "default_fields" || name == "override_fields")
        add_fields(value, true, block);
}

void read_block(const Doveconf_block &printed, const std::string &type, Auth_block *block)
{
    for (const auto &[name, value] : printed.settings)
        read_setting(without_prefix(name, type), value, block);
    for (const Doveconf_block &inner : printed.blocks) {
        if (inner.type != "fields") {
            read_block(inner, type, block); // `passdb_static { password = ... }`
            continue;
        }
        for (const auto &[name, value] : inner.settings) {
            block->fields[name] = value;
            block->laid_fields.push_back(name);
        }
    }
}

bool goes_on(std::string_view rule)
{
    return rule.starts_with("continue");
}

bool lets_in(std::string_view rule)
{
    return rule == "return-ok" || rule == "continue-ok";
}

bool failures_let_in(const Auth_block &block)
{
    return lets_in(block.result_failure) || lets_in(block.result_internalfail);
}

} // namespace

bool Auth_block::ends_login() const
{
    return !is_master && !is_deny && !goes_on(result_success) && result_success != "return-fail";
}

std::vector<Auth_block> read_auth_blocks(const Doveconf_block &configuration, std::string_view type)
{
    std::vector<Auth_block> blocks;
    for (const Doveconf_block &printed : configuration.blocks) {
        if (printed.type != type)
            continue;
        Auth_block &block = blocks.emplace_back();
        read_block(printed, std::string(type), &block);
        if (block.driver.empty())
            block.driver = printed.name;
        if (block.driver == "static" && !block.args.empty()) {
            add_fields(block.args, false, &block);
            const auto all = block.fields.find("allow_all_users");
            block.allow_all_users = all != block.fields.end() && all->second == "yes";
        }
        block.label =
            std::string(type) + " " +
            (printed.name.empty() ? std::to_string(blocks.size()) + " (" + block.driver + ")"
                                  : printed.name);
    }
    return blocks;
}

// auth_preinit() in auth.c.
bool is_left_out(const std::vector<Auth_block> &passdbs, std::size_t index)
{
    const auto is_before = [&](const Auth_block &block) {
        return block.is_master == passdbs[index].is_master && block.skip != "unauthenticated";
    };
    return passdbs[index].skip == "unauthenticated" &&
           std::none_of(passdbs.begin(), passdbs.begin() + static_cast<std::ptrdiff_t>(index),
                        is_before);
}

Block_rules rules_of(const std::vector<Auth_block> &passdbs, std::size_t index,
                     const std::string &believing_mechanism, std::string_view master_user_separator)
{
    const Auth_block &block = passdbs[index];
    Block_rules rules;
    rules.is_master = block.is_master;
    rules.is_first = true;
    rules.failures_end_login =
        block.result_failure == "return-fail" && block.result_internalfail == "return-fail";
    rules.outages_end_login = block.result_internalfail == "return-fail";
    rules.failures_let_in = failures_let_in(block);
    rules.success_goes_on = goes_on(block.result_success);
    rules.skips_some_logins = block.skips_some_logins;
    rules.skipped_when_authenticated = block.skip == "authenticated";
    rules.skipped_when_unauthenticated = block.skip == "unauthenticated";
    rules.believing_mechanism = believing_mechanism;
    for (const std::string &name : block.laid_fields) {
        if (!is_harmless_field(name))
            rules.foreign_field = name;
    }
    for (std::size_t i = 0; i < passdbs.size(); i++) {
        const Auth_block &other = passdbs[i];
        if (i == index || is_left_out(passdbs, i))
            continue;
        if (other.is_master != block.is_master) {
            // A master login goes through these first.
            rules.masters_can_be_named =
                rules.masters_can_be_named || (other.is_master && !master_user_separator.empty());
            rules.earlier_end_login =
                rules.earlier_end_login || (other.is_master && !goes_on(other.result_success));
            continue;
        }
        rules.others_let_in = rules.others_let_in || failures_let_in(other);
        if (i > index) {
            rules.has_next = true;
            continue;
        }
        rules.is_first = false;
        rules.earlier_end_login =
            rules.earlier_end_login || (!other.is_deny && !goes_on(other.result_success));
        rules.earlier_failures_end = rules.earlier_failures_end || !goes_on(other.result_failure) ||
                                     other.result_internalfail == "return";
        rules.earlier_said_ok = rules.earlier_said_ok || other.result_success == "continue-ok";
    }
    return rules;
}

// mech-gssapi.c; of 2.4 mech-oauth2.c and db-oauth2.c too. They set passdb_success before they ask.
std::string find_believing_mechanism(std::string_view auth_mechanisms, bool is_2_4)
{
    for (const std::string_view word : split_words(auth_mechanisms)) {
        std::string name(word);
        std::transform(name.begin(), name.end(), name.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        if (name == "GSSAPI" || name == "GSS-SPNEGO" ||
            (is_2_4 && (name == "XOAUTH2" || name == "OAUTHBEARER")))
            return name;
    }
    return {};
}

} // namespace proxymap
