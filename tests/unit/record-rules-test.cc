// Which records make sense.
#include "core/record_rules.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

std::string error_of(std::string_view line)
{
    const auto record = parse_record(line, Key_case::lower);
    return record ? "" : record.error().message;
}

void accepts(const char *line)
{
    STRCMP_EQUAL_TEXT("", error_of(line).c_str(), line);
}

void refuses(const char *line, std::string_view part)
{
    CHECK_TEXT(error_of(line).find(part) != std::string::npos,
               (std::string(line) + ": " + error_of(line)).c_str());
}

} // namespace

TEST_GROUP(record_rules){};

TEST(record_rules, the_default_record_is_named_by_a_star_and_no_other_is)
{
    accepts("default * backend=b1");
    refuses("default all backend=b1", "named \"*\"");
    refuses("user * backend=b1", "default *");
    refuses("domain * backend=b1", "default *");
    refuses("backend * host=b1", "default *");
}

TEST(record_rules, a_domain_has_no_at_sign)
{
    accepts("domain example.org backend=b1");
    refuses("domain @example.org backend=b1", "without \"@\"");
    refuses("domain joe@example.org backend=b1", "without \"@\"");
}

TEST(record_rules, a_backend_has_a_name_that_fields_can_refer_to)
{
    accepts("backend b1.example.org host=b1");
    refuses("backend b/1 host=b1", "1 to 64");
    refuses("backend \"b 1\" host=b1", "1 to 64");
}

TEST(record_rules, a_name_has_at_most_512_bytes)
{
    accepts(("user " + std::string(512, 'a') + " backend=b1").c_str());
    refuses(("user " + std::string(513, 'a') + " backend=b1").c_str(), "1 to 512 bytes");
    refuses("user \"\" backend=b1", "1 to 512 bytes");
}

TEST(record_rules, a_route_has_at_least_one_field)
{
    refuses("user john", "no field");
    refuses("domain example.org", "no field");
    refuses("default *", "no field");
}

TEST(record_rules, tls_alone_is_a_route)
{
    accepts("user john tls=ssl");
}

TEST(record_rules, hostip_needs_its_host)
{
    accepts("user john host=b1 hostip=10.0.0.1");
    accepts("user john host.imap=b1 hostip.imap=10.0.0.1");
    accepts("user john host=b1 hostip.imap=10.0.0.1");
    refuses("user john hostip=10.0.0.1", "needs host beside it");
    refuses("user john backend=b1 hostip=10.0.0.1", "needs host beside it");
    refuses("user john host.imap=b1 hostip=10.0.0.1", "needs host");
    refuses("user john host.imap=b1 hostip.pop3=10.0.0.1", "needs host");
}

TEST(record_rules, the_address_of_one_host_never_serves_another)
{
    refuses("user john host=b1 hostip=10.0.0.1 host.imap=b2", "needs hostip.imap");
    accepts("user john host=b1 hostip=10.0.0.1 host.imap=b2 hostip.imap=10.0.0.2");
}

TEST(record_rules, a_route_may_name_both_a_backend_and_a_host)
{
    accepts("user john backend=b1 host=b2");
    accepts("user john backend=b1 host.imap=b2");
}

TEST(record_rules, a_general_host_never_overrides_the_backend_of_a_service)
{
    refuses("user john host=b2 backend.imap=b1", "would override it");
    accepts("user john host=b2 backend.imap=b1 host.imap=b3");
}

TEST(record_rules, a_backend_is_a_host_and_names_no_other_backend)
{
    refuses("backend b1 backend=b2", "use failover");
    refuses("backend b1 host=b1 backend.imap=b2", "use failover");
    accepts("backend b1 host=b1 failover=b2 state=drain");
}

TEST(record_rules, failover_belongs_to_backends)
{
    refuses("user john host=b1 failover=b2", "only in a backend record");
}

TEST(record_rules, only_a_backend_can_be_down_but_whoever_is_routed_can_be_on_hold)
{
    for (const std::string start : {"user john", "domain example.org", "default *"}) {
        accepts((start + " host=b1 state=hold").c_str());
        accepts((start + " host=b1 state=up state.imap=hold").c_str());
        refuses((start + " host=b1 state=drain").c_str(), "only a backend can be drain");
        refuses((start + " host=b1 state.imap=down").c_str(), "only a backend can be down");
    }
}

TEST(record_rules, password_and_user_belong_to_users)
{
    accepts("user john host=b1 password={PLAIN}x user=joe");
    for (const char *start : {"domain example.org", "default *", "backend b1"}) {
        refuses((std::string(start) + " host=b1 password={PLAIN}x").c_str(), "only in a user");
        refuses((std::string(start) + " host=b1 user=joe").c_str(), "only in a user");
    }
}

TEST(record_rules, a_master_login_never_gets_the_clients_own_password)
{
    refuses("user john host=b1 master=adm", "needs credential or pass");
    refuses("user john host=b1 master=adm pass.imap=x", "needs credential or pass");
    refuses("user john host=b1 master.pop3=adm pass.imap=x", "needs credential or pass");
    accepts("user john host=b1 master=adm pass=x");
    accepts("user john host=b1 master=adm credential=c");
    accepts("user john host=b1 master.imap=adm credential.imap=c");
    accepts("user john host=b1 master.imap=adm credential=c");
}

TEST(record_rules, of_a_backend_the_master_login_is_checked_when_it_is_resolved)
{
    accepts("backend b1 host=b1 master=adm");
}
