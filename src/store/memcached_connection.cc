// libmemcached, wrapped. Sources of the rules: libmemcached 1.1.4's get.cc, fetch.cc, response.cc,
// connect.cc and quit.cc.
//
// MUST never hand out a value under a key that was not asked for, nor call a reply complete that
// did not end cleanly, nor go on after an error.
#include "memcached_connection.h"

#include <cstdlib>
#include <cstring>

namespace proxymap {

namespace {

// ---- memory ------------------------------------------------------------------------------------
// libmemcached believes the lengths that a server sends: a key longer than the protocol allows is
// written past its end (by less than 100 bytes), a value of length 2^64 - 1 before its start, and
// a value of a gigabyte is allocated. So what it allocates has room on both sides and a ceiling.

constexpr std::size_t room_before = 64; // keeps the alignment of malloc()
constexpr std::size_t room_behind = 512;
constexpr std::size_t most_bytes = 64U << 10U; // a record has 4 KB, an instance some 20

void *allocate(const memcached_st * /*handle*/, void *old, std::size_t size)
{
    if (size > most_bytes) {
        return nullptr;
    }
    char *start = old == nullptr ? nullptr : static_cast<char *>(old) - room_before;
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): libmemcached's, in C
    char *memory = static_cast<char *>(std::realloc(start, room_before + size + room_behind));
    return memory == nullptr ? nullptr : memory + room_before;
}

extern "C" {
static void *roomy_malloc(const memcached_st *handle, const std::size_t size, void * /*context*/)
{
    return allocate(handle, nullptr, size);
}

static void *roomy_realloc(const memcached_st *handle, void *old, const std::size_t size,
                           void * /*context*/)
{
    return allocate(handle, old, size);
}

static void *roomy_calloc(const memcached_st *handle, std::size_t count, const std::size_t size,
                          void * /*context*/)
{
    if (size != 0 && count > most_bytes / size) {
        return nullptr;
    }
    void *memory = allocate(handle, nullptr, count * size);
    return memory == nullptr ? nullptr : std::memset(memory, 0, count * size);
}

static void roomy_free(const memcached_st * /*handle*/, void *memory, void * /*context*/)
{
    if (memory != nullptr) {
        // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): libmemcached's, in C
        std::free(static_cast<char *>(memory) - room_before);
    }
}

// One line of `stats settings`.
static memcached_return_t note_setting(const memcached_instance_st * /*server*/, const char *name,
                                       std::size_t name_length, const char *value,
                                       std::size_t value_length, void *context)
{
    if (std::string_view(name, name_length) == "evictions") {
        *static_cast<std::string *>(context) = std::string(value, value_length);
    }
    return MEMCACHED_SUCCESS;
}
}

struct Result_free {
    void operator()(memcached_result_st *result) const { memcached_result_free(result); }
};

constexpr std::uint8_t no_version = UINT8_MAX; // what libmemcached sets when it closes a socket

constexpr std::string_view connecting = "connecting";

} // namespace

Memcached_connection::Memcached_connection(Private /*only open()*/, std::uint32_t timeout, Use use)
    : timeout_(timeout), use_(use)
{
    memcached_create(&handle_);
}

Memcached_connection::~Memcached_connection()
{
    // Closing says `quit`; a server that reads nothing must not hold us up with that.
    memcached_behavior_set(&handle_, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 1);
    memcached_free(&handle_);
}

Result<std::unique_ptr<Memcached_connection>>
Memcached_connection::open(const Memcached_endpoint &endpoint, std::uint32_t timeout, Use use)
{
    auto connection = std::make_unique<Memcached_connection>(Private{}, timeout, use);
    if (const auto done = connection->configure(endpoint); !done) {
        return done.error();
    }
    if (const auto done = connection->read_settings(); !done) {
        return done.error();
    }
    return connection;
}

Result<Done> Memcached_connection::configure(const Memcached_endpoint &endpoint)
{
    memcached_set_memory_allocators(&handle_, roomy_malloc, roomy_free, roomy_realloc, roomy_calloc,
                                    nullptr);
    const std::uint64_t usecs = std::uint64_t{timeout_} * 1000;
    const struct {
        memcached_behavior_t behaviour;
        std::uint64_t value;
    } behaviours[] = {
        {MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 0},
        {MEMCACHED_BEHAVIOR_VERIFY_KEY, 1}, // no key is ever a command
        {MEMCACHED_BEHAVIOR_TCP_NODELAY, 1},
        {MEMCACHED_BEHAVIOR_NO_BLOCK, 0}, // its sockets are non-blocking anyway
        {MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, timeout_},
        {MEMCACHED_BEHAVIOR_POLL_TIMEOUT, timeout_},
        {MEMCACHED_BEHAVIOR_SND_TIMEOUT, usecs},
        {MEMCACHED_BEHAVIOR_RCV_TIMEOUT, usecs},
        {MEMCACHED_BEHAVIOR_AUTO_EJECT_HOSTS, 0},
        {MEMCACHED_BEHAVIOR_REMOVE_FAILED_SERVERS, 0},
        // Its buffering loses acknowledgements, and aborts the process when a flush fails.
        {MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 0},
        {MEMCACHED_BEHAVIOR_SUPPORT_CAS, use_ == Use::writer},
    };
    for (const auto &[behaviour, value] : behaviours) {
        const auto code = memcached_behavior_set(&handle_, behaviour, value);
        if (code != MEMCACHED_SUCCESS) {
            return fail("setting up libmemcached", code);
        }
    }
    const auto code = endpoint.path.empty()
                          ? memcached_server_add(&handle_, endpoint.host.c_str(), endpoint.port)
                          : memcached_server_add_unix_socket(&handle_, endpoint.path.c_str());
    if (code != MEMCACHED_SUCCESS) {
        return fail("setting up libmemcached", code);
    }
    return Done{};
}

Result<Done> Memcached_connection::read_settings()
{
    // This connects, too.
    if (const auto code = memcached_version(&handle_); code != MEMCACHED_SUCCESS) {
        return fail(connecting, code);
    }
    std::string evictions;
    const auto code = memcached_stat_execute(&handle_, "settings", note_setting, &evictions);
    if (code != MEMCACHED_SUCCESS) {
        return fail("reading its settings", code);
    }
    if (!same_socket()) {
        return fail("reading its settings", MEMCACHED_CONNECTION_FAILURE);
    }
    keeps_everything_ = evictions == "off";
    return Done{};
}

bool Memcached_connection::same_socket()
{
    const auto *server = memcached_server_instance_by_position(&handle_, 0);
    return server != nullptr && memcached_server_major_version(server) != no_version;
}

Result<Memcached_connection::Items> Memcached_connection::get(const std::vector<std::string> &keys)
{
    std::vector<const char *> texts;
    std::vector<std::size_t> lengths;
    texts.reserve(keys.size());
    lengths.reserve(keys.size());
    for (const auto &key : keys) {
        texts.push_back(key.data());
        lengths.push_back(key.size());
    }
    auto code = memcached_mget(&handle_, texts.data(), lengths.data(), keys.size());
    if (code != MEMCACHED_SUCCESS) {
        return fail("asking it", code);
    }

    Items items(keys.size());
    std::unique_ptr<memcached_result_st, Result_free> result(
        memcached_result_create(&handle_, nullptr));
    if (!result) {
        return fail("asking it", MEMCACHED_MEMORY_ALLOCATION_FAILURE);
    }
    // memcached answers in the order of the request and leaves out what it does not have.
    std::size_t next = 0;
    while (memcached_fetch_result(&handle_, result.get(), &code) != nullptr) {
        const std::size_t length = memcached_result_key_length(result.get());
        if (length == 0 || length >= MEMCACHED_MAX_KEY) {
            return odd("it answered with a key that is none");
        }
        const std::string_view key(memcached_result_key_value(result.get()), length);
        while (next < keys.size() && keys[next] != key) {
            next++;
        }
        if (next == keys.size()) {
            return odd("it answered with a key that was not asked for");
        }
        const std::size_t value_length = memcached_result_length(result.get());
        if (value_length > most_bytes) {
            return odd("it answered with an impossible length");
        }
        Memcached_item item;
        if (value_length > 0) {
            item.value.assign(memcached_result_value(result.get()), value_length);
        }
        item.cas = memcached_result_cas(result.get());
        items[next++] = std::move(item);
    }
    (void)result.release(); // libmemcached frees it at the end of a fetch
    // A fetch that brought nothing ends in NOTFOUND; so does one whose first line was rubbish, but
    // that one leaves an error behind or a closed socket.
    const bool clean = code == MEMCACHED_END || code == MEMCACHED_NOTFOUND;
    if (!clean) {
        return fail("waiting for its answer", code);
    }
    if (const auto last = memcached_last_error(&handle_); last != MEMCACHED_SUCCESS) {
        return fail("waiting for its answer", last);
    }
    if (!same_socket()) {
        return fail("waiting for its answer", MEMCACHED_CONNECTION_FAILURE);
    }
    return items;
}

void Memcached_connection::expect_replies(bool yes)
{
    memcached_behavior_set(&handle_, MEMCACHED_BEHAVIOR_NOREPLY, !yes);
}

Result<Done> Memcached_connection::set(const std::string &key, const std::string &value)
{
    expect_replies(use_ == Use::reader);
    const auto code = memcached_set(&handle_, key.data(), key.size(), value.data(), value.size(),
                                    0 /* never expires */, 0);
    expect_replies(true);
    if (code != MEMCACHED_SUCCESS) {
        return fail("writing", code);
    }
    return same_socket() ? Result<Done>(Done{}) : fail("writing", MEMCACHED_CONNECTION_FAILURE);
}

Result<Done> Memcached_connection::remove(const std::string &key)
{
    expect_replies(use_ == Use::reader);
    const auto code = memcached_delete(&handle_, key.data(), key.size(), 0);
    expect_replies(true);
    if (code != MEMCACHED_SUCCESS && code != MEMCACHED_NOTFOUND) {
        return fail("deleting", code);
    }
    return same_socket() ? Result<Done>(Done{}) : fail("deleting", MEMCACHED_CONNECTION_FAILURE);
}

Result<Done> Memcached_connection::replace(const std::string &key, const std::string &value,
                                           std::uint64_t cas)
{
    const auto code =
        memcached_cas(&handle_, key.data(), key.size(), value.data(), value.size(), 0, 0, cas);
    if (code != MEMCACHED_SUCCESS) {
        return fail("writing", code);
    }
    return same_socket() ? Result<Done>(Done{}) : fail("writing", MEMCACHED_CONNECTION_FAILURE);
}

// An error breaks the connection. libmemcached's own text holds its source lines; ours is for an
// admin.
Error Memcached_connection::fail(std::string_view doing, memcached_return_t code)
{
    broken_ = true;
    const auto last = memcached_last_error(&handle_);
    const int system_error = memcached_last_error_errno(&handle_);
    if ((code == MEMCACHED_SOME_ERRORS || code == MEMCACHED_FAILURE) && last != MEMCACHED_SUCCESS) {
        code = last; // it says more
    }
    std::string why;
    switch (code) {
    case MEMCACHED_TIMEOUT:
    case MEMCACHED_IN_PROGRESS:
        why = "no answer within " + std::to_string(timeout_) + " ms";
        break;
    case MEMCACHED_CONNECTION_FAILURE:
    case MEMCACHED_ERRNO:
    case MEMCACHED_WRITE_FAILURE:
        closed_ = true;
        if (system_error != 0) {
            why = std::strerror(system_error);
        } else if (doing == connecting) { // libmemcached has lost the system's reason
            why = "it takes no connections";
        } else {
            why = "it closed the connection";
        }
        break;
    case MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE:
        why = "it is full; give it more memory (-m)";
        break;
    case MEMCACHED_MEMORY_ALLOCATION_FAILURE:
        why = "its answer is longer than any record, or memory is short";
        break;
    case MEMCACHED_UNKNOWN_READ_FAILURE:
    case MEMCACHED_PARTIAL_READ:
    case MEMCACHED_PROTOCOL_ERROR:
        why = "its answer is not memcached's protocol";
        break;
    default:
        why = "libmemcached says: ";
        why += memcached_strerror(&handle_, code);
        break;
    }
    return Error{std::string(doing) + ": " + why};
}

Error Memcached_connection::odd(const std::string &what)
{
    broken_ = true;
    return Error{what};
}

} // namespace proxymap
