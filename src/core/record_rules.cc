// Which records make sense.
//
// MUST: hostip never stands beside the host of another service, for the login would go to the one
// under the name of the other; and a master login never gets the client's own password.
#include "record_rules.h"

#include "text.h"

namespace proxymap {

namespace {

Result<Done> check_field_fits_kind(Kind kind, const Record_field &field)
{
    const auto refuse = [&](std::string_view why) {
        return Error{"field " + quote(field.name()) + " " + std::string(why)};
    };
    switch (field.id) {
    case Field_id::backend:
        if (kind == Kind::backend) {
            return refuse("cannot stand in a backend record: a backend is a host; use failover");
        }
        break;
    case Field_id::failover:
        if (kind != Kind::backend) {
            return refuse("stands only in a backend record");
        }
        break;
    case Field_id::state:
        if (kind != Kind::backend && field.value != "up" && field.value != "hold") {
            return refuse("must be up or hold: only a backend can be " + field.value);
        }
        break;
    case Field_id::password:
    case Field_id::user:
        if (kind != Kind::user) {
            return refuse("stands only in a user record");
        }
        break;
    default:
        break;
    }
    return Done{};
}

// Whether this field has the fields that it needs beside it.
Result<Done> check_field_has_company(const Record &record, const Record_field &field)
{
    if (field.id == Field_id::hostip && record.find(Field_id::host, field.service) == nullptr) {
        return Error{"field " + quote(field.name()) +
                     " needs host beside it: host is the name in TLS, hostip its address"};
    }
    if (field.id == Field_id::host && field.service != Service::any &&
        record.find(Field_id::hostip, Service::any) != nullptr &&
        record.find(Field_id::hostip, field.service) ==
            record.find(Field_id::hostip, Service::any)) {
        const std::string service(to_string(field.service));
        return Error{"field \"host." + service + "\" needs hostip." + service +
                     " beside it, for hostip is the address of another host"};
    }
    if (field.id == Field_id::backend && field.service != Service::any) {
        const auto *host = record.find(Field_id::host, field.service);
        if (host != nullptr && host == record.find(Field_id::host, Service::any)) {
            return Error{"field " + quote(field.name()) +
                         " cannot stand beside host, which would override it; write the host of "
                         "the other services in a backend record of its own"};
        }
    }
    if (field.id == Field_id::master && record.kind != Kind::backend &&
        record.find(Field_id::credential, field.service) == nullptr &&
        record.find(Field_id::pass, field.service) == nullptr) {
        return Error{"field " + quote(field.name()) +
                     " needs credential or pass beside it: the client's own password must not go "
                     "to a master login"};
    }
    return Done{};
}

} // namespace

Result<Done> check_record_name(Kind kind, const std::string &name)
{
    if (!is_possible_name(name)) {
        return Error{"a name has 1 to " + std::to_string(max_name_bytes) +
                     " bytes and no control character"};
    }
    if (kind == Kind::default_route) {
        if (name != "*") {
            return Error{"the default record is named \"*\", not " + quote(name)};
        }
        return Done{};
    }
    if (name == "*") {
        return Error{"\"*\" is the name of the default record only: default * ..."};
    }
    if (kind == Kind::domain && name.find('@') != std::string::npos) {
        return Error{"domain " + quote(name) + " is written without \"@\""};
    }
    if (kind == Kind::backend) {
        // As the fields that refer to it take it.
        return check_field_value(Field_id::backend, "backend", name);
    }
    return Done{};
}

Result<Done> check_record_fields(const Record &record)
{
    if (record.fields.empty() && record.kind != Kind::backend) {
        return Error{std::string(to_string(record.kind)) + " " + quote(record.name) +
                     " has no field; write backend=NAME or host=ADDRESS"};
    }
    for (const auto &field : record.fields) {
        const auto fits = check_field_fits_kind(record.kind, field);
        if (!fits) {
            return fits.error();
        }
        const auto company = check_field_has_company(record, field);
        if (!company) {
            return company.error();
        }
    }
    return Done{};
}

} // namespace proxymap
