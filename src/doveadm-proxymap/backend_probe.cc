// See backend_probe.h. A few threads, for most of the time goes by with waiting; what they share
// outlives whoever waits for them, since one may hang on a backend beyond the time for all.
#include "backend_probe.h"

#include "line_socket.h"

#include "core/clock.h"
#include "login-proxy-ext/backend_tls.h"
#include "login-proxy-ext/openssl_ptr.h"
#include "login-proxy-ext/peer_report.h"
#include "store/helper_thread.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <poll.h>

namespace proxymap {

namespace {

constexpr std::size_t max_line_bytes = 8192;
constexpr int max_lines = 64; // of a greeting, or of an answer

// How a service begins, as its login process speaks to the backend.
struct Manners {
    std::string_view hello;    // asked before STARTTLS: "" for nothing
    std::string_view starttls; // the command
    std::string_view ok;       // what the last line of an answer begins with
    std::string_view greeting; // and of the greeting
};

Manners manners_of(Service service)
{
    switch (service) {
    case Service::pop3:
        return {"", "STLS", "+OK", "+OK"};
    case Service::submission:
        return {"EHLO localhost", "STARTTLS", "2", "220"};
    case Service::lmtp:
        return {"LHLO localhost", "STARTTLS", "2", "220"};
    case Service::sieve:
        return {"", "STARTTLS", "OK", "OK"};
    case Service::imap:
    case Service::any:
        break;
    }
    return {"", "a STARTTLS", "a OK", "* OK"};
}

bool is_last_line(Service service, std::string_view line, std::string_view ok)
{
    switch (service) {
    case Service::submission:
    case Service::lmtp:
        return line.size() < 4 || line[3] != '-';
    case Service::sieve:
        return line.starts_with("OK") || line.starts_with("NO") || line.starts_with("BYE");
    case Service::imap:
        return line.starts_with(ok.substr(0, 2));
    case Service::pop3:
    case Service::any:
        break;
    }
    return true;
}

class Probe {
  public:
    Probe(Probe_question &question, std::uint32_t wait) : question_(question), wait_(wait) {}

    Probe_answer run()
    {
        if (const Result<Done> done = go(); !done)
            answer_.failure = done.error().message;
        answer_.asked = true;
        return std::move(answer_);
    }

  private:
    const Backend_target &target() const { return question_.target; }

    Result<Done> go()
    {
        const std::string peer = target().address + " port " + std::to_string(target().port);
        Result<Line_socket> socket =
            Line_socket::connect({target().address, target().port, {}}, wait_);
        if (!socket)
            return Error{peer + ": " + socket.error().message};
        socket_.emplace(std::move(*socket));
        if (target().tls != Target_tls::at_once) {
            if (const Result<Done> done = talk(); !done)
                return Error{peer + ": " + done.error().message};
        }
        return target().tls == Target_tls::none ? Result<Done>(Done{}) : shake_hands(peer);
    }

    Result<Done> expect(std::string_view beginning, const std::string &what)
    {
        for (int i = 0; i < max_lines; i++) {
            const Result<std::string_view> line = socket_->read_line(max_line_bytes);
            if (!line)
                return Error{what + ": " + line.error().message};
            if (!is_last_line(target().service, *line, beginning))
                continue;
            if (line->starts_with(beginning))
                return Done{};
            return Error{what + " was answered by: " + printable(*line, 200)};
        }
        return Error{what + " is answered without an end"};
    }

    Result<Done> ask(std::string_view command, std::string_view ok)
    {
        if (const Result<Done> sent = socket_->send(std::string(command) + "\r\n"); !sent)
            return sent;
        return expect(ok, std::string(command));
    }

    Result<Done> talk()
    {
        const Manners manners = manners_of(target().service);
        if (Result<Done> done = expect(manners.greeting, "connecting"); !done)
            return done;
        if (target().tls == Target_tls::none)
            return Done{};
        if (!manners.hello.empty()) {
            if (Result<Done> done = ask(manners.hello, manners.ok); !done)
                return done;
        }
        return ask(manners.starttls, manners.ok);
    }

    Result<Done> shake_hands(const std::string &peer)
    {
        answer_.is_certificate = true;
        const Own_openssl_errors own_errors;
        const Ssl_ctx_ptr context(SSL_CTX_new(TLS_client_method()));
        if (context == nullptr)
            return Error{peer + ": " + Own_openssl_errors::newest()};
        Tls_policy policy;
        policy.name = "(none)";
        policy.any_cert = true;
        policy.resume_sessions = false;
        if (question_.policy)
            policy = *question_.policy;
        Backend_tls tls(policy, std::move(question_.files));
        Backend_handshake handshake;
        handshake.policy = &tls;
        handshake.host = target().host;
        handshake.address = target().address + ":" + std::to_string(target().port);
        const auto finder = [&handshake](SSL *) { return &handshake; };
        if (Result<Done> done = tls.set_up(context.get(), finder); !done)
            return done;
        const Ssl_ptr ssl(SSL_new(context.get()));
        if (ssl == nullptr || SSL_set_fd(ssl.get(), socket_->fd()) != 1)
            return Error{peer + ": " + Own_openssl_errors::newest()};
        if (const Result<Done> shaken = connect_tls(ssl.get()); !shaken)
            return Error{tls.fail(&handshake, shaken.error().message)};
        if (!tls.finish(ssl.get(), &handshake))
            return Error{tls.fail(&handshake, "")};
        if (const X509 *certificate = SSL_get0_peer_certificate(ssl.get()))
            answer_.valid_until = to_time_t(X509_get0_notAfter(certificate));
        return Done{};
    }

    Result<Done> connect_tls(SSL *ssl)
    {
        const std::uint64_t deadline = monotonic_ms() + wait_;
        for (;;) {
            errno = 0;
            const int done = SSL_connect(ssl);
            if (done == 1)
                return Done{};
            const int error = SSL_get_error(ssl, done);
            if (error == SSL_ERROR_SYSCALL)
                return Error{errno != 0 ? std::strerror(errno) : "it closed the connection"};
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
                return Error{Own_openssl_errors::newest()};
            const std::uint64_t now = monotonic_ms();
            pollfd waiting{socket_->fd(),
                           static_cast<short>(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
            if (now >= deadline || poll(&waiting, 1, static_cast<int>(deadline - now)) == 0)
                return Error{"no answer within " + std::to_string(wait_) + " ms"};
        }
    }

    Probe_question &question_;
    const std::uint32_t wait_;
    std::optional<Line_socket> socket_;
    Probe_answer answer_;
};

// Of all threads and of whoever waits for them.
struct Shared {
    std::vector<Probe_question> questions; // each is touched by one thread alone
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Probe_answer> answers;
    std::size_t next = 0;
    std::size_t done = 0;
    bool over = false;
};

void work(const std::shared_ptr<Shared> &shared, std::uint32_t wait)
{
    std::unique_lock<std::mutex> lock(shared->mutex);
    while (!shared->over && shared->next < shared->questions.size()) {
        const std::size_t mine = shared->next++;
        lock.unlock();
        Probe_answer answer;
        try {
            answer = Probe(shared->questions[mine], wait).run();
        } catch (const std::exception &error) {
            answer.asked = true;
            answer.failure = error.what();
        }
        lock.lock();
        shared->answers[mine] = std::move(answer);
        shared->done++;
        shared->changed.notify_all();
    }
}

} // namespace

std::vector<Probe_answer> probe_backends(std::vector<Probe_question> questions,
                                         const Probe_limits &limits,
                                         const std::function<void(std::size_t)> &progress)
{
    auto shared = std::make_shared<Shared>();
    shared->questions = std::move(questions);
    shared->answers.resize(shared->questions.size());
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limits.all);
    const std::size_t threads = std::min<std::size_t>(limits.parallel, shared->questions.size());
    bool any = false;
    for (std::size_t i = 0; i < threads; i++)
        any = start_helper_thread([shared, wait = limits.wait] { work(shared, wait); }).ok() || any;
    if (!any)
        work(shared, limits.wait); // one after the other, rather than not at all

    std::unique_lock<std::mutex> lock(shared->mutex);
    while (shared->done < shared->questions.size()) {
        progress(shared->done);
        if (shared->changed.wait_until(lock, end) == std::cv_status::timeout)
            break;
    }
    shared->over = true;
    return shared->answers;
}

} // namespace proxymap
