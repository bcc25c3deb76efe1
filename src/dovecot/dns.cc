// Names looked up by Dovecot's DNS client; see dns.h.
//
// MUST: an answer is never taken for that of another name. Dovecot's dns_client_lookup() does that
// after a time-out, for the replies of its one connection bear no name; so each look-up has a
// connection of its own here, as dns_lookup() makes it.
#include "dns.h"

#include "dns_request.h"

#include <cstring>
#include <exception>
#include <utility>

namespace proxymap {

namespace {

// Nothing for what is no address of ours: an IPv4-mapped one.
std::optional<Ip> to_ip(const ip_addr &address)
{
    Ip ip;
    ip.v6 = address.family == AF_INET6;
    if (ip.v6)
        std::memcpy(ip.bytes.data(), &address.u.ip6, sizeof(address.u.ip6));
    else if (address.family == AF_INET)
        std::memcpy(ip.bytes.data(), &address.u.ip4, sizeof(address.u.ip4));
    else
        return std::nullopt;
    return is_ipv4_mapped(ip) ? std::nullopt : std::optional<Ip>(ip);
}

Result<std::vector<Ip>> to_result(const dns_lookup_result &result)
{
    if (result.ret != 0)
        return Error{result.error == nullptr ? "unknown error" : result.error};
    std::vector<Ip> ips;
    for (unsigned int i = 0; i < result.ips_count; i++) {
        if (const std::optional<Ip> ip = to_ip(result.ips[i]))
            ips.push_back(*ip);
    }
    return ips;
}

class Dns_lookup final : public Resolver::Lookup {
  public:
    Dns_lookup(struct ioloop *loop, const std::string &name, Resolver::Callback callback)
        : callback_(std::move(callback))
    {
        starting_ = true;
        // A failure calls back before it returns, which our own caller does not expect.
        if (start_dns_request(loop, name.c_str(), on_result, this, &lookup_) < 0)
            failed_ = timeout_add_short_to(loop, 0, on_failure, this);
        starting_ = false;
    }
    ~Dns_lookup() override
    {
        timeout_remove(&failed_);
        if (lookup_ != nullptr)
            dns_lookup_abort(&lookup_);
    }
    Dns_lookup(const Dns_lookup &) = delete;
    Dns_lookup &operator=(const Dns_lookup &) = delete;

  private:
    // Dovecot frees its look-up after this.
    static void on_result(const struct dns_lookup_result *result, void *context) noexcept
    {
        auto *its = static_cast<Dns_lookup *>(context);
        its->lookup_ = nullptr;
        if (its->starting_) {
            its->error_ = to_result(*result);
            return;
        }
        its->finish(to_result(*result));
    }
    static void on_failure(Dns_lookup *its) noexcept
    {
        timeout_remove(&its->failed_);
        its->finish(its->error_);
    }
    // The callback may destroy this.
    void finish(const Result<std::vector<Ip>> &result)
    {
        const Resolver::Callback callback = std::move(callback_);
        const Result<std::vector<Ip>> kept = result;
        T_BEGIN
        {
            try {
                callback(kept);
            } catch (const std::exception &error) {
                i_error("proxymap: unexpected in a DNS callback: %s", error.what());
            } catch (...) {
                i_error("proxymap: unexpected in a DNS callback");
            }
        }
        T_END;
    }

    Resolver::Callback callback_;
    struct dns_lookup *lookup_ = nullptr;
    struct timeout *failed_ = nullptr;
    Result<std::vector<Ip>> error_ = Error{"the DNS client did not answer"};
    bool starting_ = false;
};

class Dns_resolver final : public Resolver {
  public:
    std::unique_ptr<Lookup> look_up(const std::string &name, Callback callback) override
    {
        return std::make_unique<Dns_lookup>(loop_, name, std::move(callback));
    }

  private:
    struct ioloop *loop_ = current_ioloop;
};

} // namespace

std::unique_ptr<Resolver> make_dns_resolver()
{
    return std::make_unique<Dns_resolver>();
}

} // namespace proxymap
