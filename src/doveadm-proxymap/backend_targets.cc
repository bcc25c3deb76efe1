#include "backend_targets.h"

#include "core/route_fields.h"

#include <algorithm>
#include <charconv>

namespace proxymap {

namespace {

std::string field_of(const Route &route, std::string_view name)
{
    const auto found = std::find_if(route.fields.begin(), route.fields.end(),
                                    [name](const auto &field) { return field.first == name; });
    return found == route.fields.end() ? "" : found->second;
}

Backend_target target_of(const Record &backend, Service service, const Configuration &configuration,
                         bool is_2_4)
{
    Backend_target target;
    target.backend = backend.name;
    target.service = service;
    // A login with a record that only names the backend. No destuser is empty for this name.
    const Login login{"someone@example.com", service};
    const Record record{Kind::user, "someone@example.com", {}, {}};
    Route route;
    const Result<Done> filled =
        fill_route(login, {record.name, &record}, {backend.name, &backend}, configuration.settings,
                   configuration.credentials, &route);
    if (!filled) {
        target.refused = filled.error().message;
        return target;
    }
    target.host = route.host;
    target.address = route.hostip.empty() ? route.host : route.hostip;
    const std::string at_once = field_of(route, "ssl");
    const std::string starttls = field_of(route, "starttls");
    if (!at_once.empty())
        target.tls = Target_tls::at_once;
    else if (!starttls.empty())
        target.tls = Target_tls::starttls;
    target.any_cert = at_once == "any-cert" || starttls == "any-cert";
    target.port = default_port(service, target.tls, is_2_4);
    std::from_chars(route.port.data(), route.port.data() + route.port.size(), target.port);
    target.policy = field_of(route, "proxymap_tls");
    target.pool = service == Service::lmtp ? route.source_pool : field_of(route, "proxymap_source");
    return target;
}

} // namespace

std::string Backend_target::label() const
{
    return "backend " + backend + " " + std::string(to_string(service));
}

std::uint16_t default_port(Service service, Target_tls tls, bool is_2_4)
{
    const bool at_once = is_2_4 && tls == Target_tls::at_once;
    switch (service) {
    case Service::imap:
        return at_once ? 993 : 143;
    case Service::pop3:
        return at_once ? 995 : 110;
    case Service::submission:
        return at_once ? 465 : 587;
    case Service::sieve:
        return 4190;
    case Service::lmtp:
        return 24;
    case Service::any:
        break;
    }
    return 0;
}

std::vector<Backend_target> find_backend_targets(const std::vector<Record> &backends,
                                                 const std::set<Service> &services,
                                                 const Configuration &configuration, bool is_2_4)
{
    std::vector<Backend_target> targets;
    for (const Record &backend : backends) {
        for (const Service service : services) {
            const std::string *state = backend.find(Field_id::state, service);
            if (state == nullptr || *state != "down")
                targets.push_back(target_of(backend, service, configuration, is_2_4));
        }
    }
    return targets;
}

} // namespace proxymap
