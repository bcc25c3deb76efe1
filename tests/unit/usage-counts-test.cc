// src/login-proxy-ext/usage_*.cc: counts that several processes share, what is left of those that
// are killed, and what mischief in the shared memory cannot do.
#include "login-proxy-ext/usage_counts.h"

#include "counting_process.h"

#include <bit>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <grp.h>
#include <random>
#include <sys/mman.h>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using usage::Layout;

namespace {

Ip ip(const std::string &text)
{
    return *parse_ip(text);
}

const std::vector<Ip> pool = {ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.3")};
const Ip backend = ip("198.51.100.1");

// One login process's view.
struct Counter {
    explicit Counter(std::shared_ptr<Usage_counts> of) : counts(std::move(of)) {}
    static std::shared_ptr<Counter> open(const std::string &path)
    {
        auto counts = Usage_counts::open(path);
        return counts ? std::make_shared<Counter>(*counts) : nullptr;
    }
    Usage_counts::Row row(const Ip &destination = backend, std::uint16_t port = 143)
    {
        return counts->row(places, pool, destination, port, now);
    }
    std::uint32_t used(std::size_t i, const Ip &destination = backend, std::uint16_t port = 143)
    {
        return row(destination, port).used(i);
    }
    void take(std::size_t i, const Ip &destination = backend, std::uint16_t port = 143)
    {
        leases.push_back(counts->count(row(destination, port), i));
    }

    std::shared_ptr<Usage_counts> counts;
    Usage_counts::Places places = counts->places(pool);
    std::uint64_t now = 1000;
    std::vector<Usage_counts::Lease> leases;
};

// The shared memory itself, as a login process that was taken over has it.
class Mapped {
  public:
    explicit Mapped(const std::string &path)
    {
        const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
        CHECK(fd >= 0);
        void *memory = mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        CHECK(memory != MAP_FAILED);
        layout_ = static_cast<Layout *>(memory);
    }
    ~Mapped() { munmap(layout_, sizeof(Layout)); }
    Mapped(const Mapped &) = delete;
    Mapped &operator=(const Mapped &) = delete;
    Layout *operator->() const { return layout_; }

    int rows_taken() const
    {
        int rows = 0;
        for (const auto &word : layout_->taken)
            rows += std::popcount(word.load());
        return rows;
    }

  private:
    Layout *layout_;
};

std::string read_file(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string &path, const std::string &content)
{
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary) << content;
    CHECK_EQUAL(0, chmod(path.c_str(), 0600));
}

ino_t inode(const std::string &path)
{
    struct stat st {};
    CHECK_EQUAL(0, stat(path.c_str(), &st));
    return st.st_ino;
}

} // namespace

TEST_GROUP(usage_counts)
{
    Counts_folder folder;
    const std::string path = folder.path();
    // What a login process with one connection does.
    const std::function<std::shared_ptr<void>()> take_one = [this] {
        auto there = Counter::open(path);
        there->take(0);
        return there;
    };
};

TEST(usage_counts, who_only_looks_on_sees_the_counts_and_leaves_no_trace)
{
    CHECK_FALSE(Usage_view::open(path).ok());
    CHECK_FALSE(std::filesystem::exists(path));
    auto counter = Counter::open(path);
    counter->take(1);
    counter->take(1);
    const std::string before = read_file(path);
    {
        const Result<Usage_view> view = Usage_view::open(path);
        CHECK_TRUE(view.ok());
        CHECK_EQUAL(2, view->used(pool[1], backend, 143));
        CHECK_EQUAL(0, view->used(pool[0], backend, 143));
        CHECK_EQUAL(0, view->used(pool[1], backend, 144));
        CHECK_EQUAL(0, view->used(ip("192.0.2.9"), ip("192.0.2.9"), 1));
    }
    CHECK_TRUE(before == read_file(path));
    counter->counts->reclaim(); // and takes nothing back from the living
    CHECK_EQUAL(2, Usage_view::open(path)->used(pool[1], backend, 143));
    write_file(path, before.substr(0, 8) + '\x7f' + before.substr(9));
    CHECK_FALSE(Usage_view::open(path).ok());
}

TEST(usage_counts, a_connection_is_counted_for_its_source_and_destination_alone)
{
    auto counter = Counter::open(path);
    counter->take(1);
    LONGS_EQUAL(1, counter->used(1));
    LONGS_EQUAL(0, counter->used(0));
    LONGS_EQUAL(0, counter->used(1, backend, 993));
    LONGS_EQUAL(0, counter->used(1, ip("198.51.100.2")));
    counter->take(1, backend, 993);
    LONGS_EQUAL(1, counter->used(1));
    LONGS_EQUAL(1, counter->used(1, backend, 993));
}

TEST(usage_counts, the_end_of_a_lease_gives_it_back_once)
{
    auto counter = Counter::open(path);
    Usage_counts::Lease lease = counter->counts->count(counter->row(), 0);
    Usage_counts::Lease moved = std::move(lease);
    lease = Usage_counts::Lease();
    LONGS_EQUAL(1, counter->used(0));
    moved.release();
    moved.release();
    LONGS_EQUAL(0, counter->used(0));
    {
        const auto scoped = counter->counts->count(counter->row(), 0);
    }
    LONGS_EQUAL(0, counter->used(0));
}

TEST(usage_counts, a_lease_that_is_given_another_one_gives_its_own_back)
{
    auto counter = Counter::open(path);
    auto lease = counter->counts->count(counter->row(), 0);
    lease = counter->counts->count(counter->row(), 1);
    LONGS_EQUAL(0, counter->used(0));
    LONGS_EQUAL(1, counter->used(1));
}

TEST(usage_counts, a_lease_may_outlive_everything_else)
{
    auto other = Counter::open(path);
    auto counter = Counter::open(path);
    auto lease = counter->counts->count(counter->row(), 0);
    counter.reset();
    LONGS_EQUAL(1, other->used(0));
    lease.release();
    LONGS_EQUAL(0, other->used(0));
}

TEST(usage_counts, counts_of_one_process_alone_are_seen_by_no_other)
{
    Counter first(Usage_counts::private_counts());
    Counter second(Usage_counts::private_counts());
    first.take(2);
    LONGS_EQUAL(1, first.used(2));
    LONGS_EQUAL(0, second.used(2));
    first.leases.clear();
    LONGS_EQUAL(0, first.used(2));
}

TEST(usage_counts, processes_see_each_others_connections)
{
    auto here = Counter::open(path);
    here->take(0);
    Counting_process other([this] {
        auto there = Counter::open(path);
        for (int i = 0; i < 5; i++)
            there->take(0);
        return there->used(0) == 6 ? there : nullptr;
    });
    other.wait_until_done();
    LONGS_EQUAL(6, here->used(0));
    other.end();
    LONGS_EQUAL(1, here->used(0));
    LONGS_EQUAL(1, Mapped(path).rows_taken());
}

TEST(usage_counts, kill_9_frees_what_a_process_had_counted)
{
    auto here = Counter::open(path);
    here->take(0);
    here->take(2);
    Counting_process other([this] {
        auto there = Counter::open(path);
        for (std::uint16_t port = 1; port <= 100; port++) // more than a row is for
            there->take(port % 3U, backend, port);
        there->take(0);
        there->take(0);
        return there;
    });
    other.wait_until_done();
    here->counts->reclaim();
    LONGS_EQUAL(3, here->used(0)); // alive: nothing is taken from it
    LONGS_EQUAL(1, here->used(1, backend, 100));
    other.kill_it();
    LONGS_EQUAL(3, here->used(0));
    here->counts->reclaim();
    LONGS_EQUAL(1, here->used(0));
    LONGS_EQUAL(1, here->used(2));
    for (std::uint16_t port = 1; port <= 100; port++)
        LONGS_EQUAL(0, here->used(port % 3U, backend, port));
    LONGS_EQUAL(1, Mapped(path).rows_taken());
}

TEST(usage_counts, the_dead_are_found_by_whoever_chooses_a_second_later)
{
    auto here = Counter::open(path);
    Counting_process other(take_one);
    other.wait_until_done();
    LONGS_EQUAL(1, here->used(0));
    other.kill_it();
    LONGS_EQUAL(1, here->used(0));
    here->now += 999;
    LONGS_EQUAL(1, here->used(0));
    here->now += 1;
    LONGS_EQUAL(0, here->used(0));
}

TEST(usage_counts, a_sweep_that_somebody_puts_off_for_ever_comes_all_the_same)
{
    auto here = Counter::open(path);
    Counting_process other(take_one);
    other.wait_until_done();
    other.kill_it();
    Mapped(path)->next_sweep = UINT64_MAX;
    Mapped(path)->sweep_from = UINT32_MAX;
    LONGS_EQUAL(0, here->used(0));
}

TEST(usage_counts, many_processes_come_and_go_and_nothing_is_left)
{
    auto here = Counter::open(path);
    here->take(1);
    for (int i = 0; i < 20; i++) {
        Counting_process other([this] {
            auto there = Counter::open(path);
            there->take(0);
            there->take(1);
            return there;
        });
        other.wait_until_done();
        if (i % 2 == 0)
            other.end();
        else
            other.kill_it();
    }
    here->counts->reclaim();
    LONGS_EQUAL(0, here->used(0));
    LONGS_EQUAL(1, here->used(1));
    LONGS_EQUAL(1, Mapped(path).rows_taken());
}

TEST(usage_counts, rows_and_memory_do_not_grow_with_the_number_of_logins)
{
    auto here = Counter::open(path);
    for (std::uint16_t i = 1; i < 1000; i++) { // as many destinations, one at a time
        here->take(i % 3U, backend, i);
        here->leases.clear();
    }
    LONGS_EQUAL(1, Mapped(path).rows_taken());
    LONGS_EQUAL(0, here->used(1, backend, 1));
}

TEST(usage_counts, it_works_after_chroot_and_setuid)
{
    if (geteuid() != 0)
        return;
    auto here = Counter::open(path);
    const std::string empty = folder.name() + "/other";
    Counting_process other([this, &empty]() -> std::shared_ptr<void> {
        auto there = Counter::open(path);
        if (mkdir(empty.c_str(), 0755) != 0 || chroot(empty.c_str()) != 0 || chdir("/") != 0 ||
            setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
            return nullptr;
        there->take(0);
        return there->used(0) == 1 ? there : nullptr;
    });
    other.wait_until_done();
    LONGS_EQUAL(1, here->used(0));
    other.kill_it();
    here->counts->reclaim();
    LONGS_EQUAL(0, here->used(0));
    rmdir(empty.c_str());
}

TEST(usage_counts, the_files_are_for_their_owner_alone)
{
    Counter::open(path);
    for (const std::string &name : {path, path + ".lock"}) {
        struct stat st {};
        CHECK_EQUAL(0, lstat(name.c_str(), &st));
        LONGS_EQUAL(0600, st.st_mode & 07777U);
    }
    CHECK_FALSE(std::filesystem::exists(path + ".new"));
}

TEST(usage_counts, no_descriptor_stays_by_which_the_file_could_be_shortened)
{
    const auto counter = Counter::open(path);
    const ino_t file = inode(path);
    for (int fd = 0; fd < 1024; fd++) {
        struct stat st {};
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
            CHECK(st.st_ino != file);
    }
}

TEST(usage_counts, a_file_that_is_not_ours_is_made_anew)
{
    Counter::open(path);
    const std::string good = read_file(path);
    std::string other_version = good;
    other_version[8]++;
    std::string other_lock = good;
    other_lock[24]++;
    for (const std::string &content :
         {std::string(), std::string("x"), std::string(good.size(), '\0'), other_version,
          other_lock, good + "x", good.substr(0, 4096)}) {
        write_file(path, content);
        auto here = Counter::open(path);
        CHECK(here != nullptr);
        here->take(0);
        LONGS_EQUAL(1, Counter::open(path)->used(0));
        LONGS_EQUAL(static_cast<long>(good.size()), std::filesystem::file_size(path));
    }
}

TEST(usage_counts, a_file_that_others_can_write_or_that_is_a_link_is_made_anew)
{
    Counter::open(path);
    CHECK_EQUAL(0, chmod(path.c_str(), 0666));
    CHECK(Counter::open(path) != nullptr);
    struct stat st {};
    CHECK_EQUAL(0, stat(path.c_str(), &st));
    LONGS_EQUAL(0600, st.st_mode & 07777U);

    const std::string other = folder.name() + "/other";
    std::filesystem::rename(path, other);
    std::filesystem::create_symlink(other, path);
    const std::string before = read_file(other);
    Counter::open(path)->take(0);
    CHECK_FALSE(std::filesystem::is_symlink(path));
    CHECK(before == read_file(other));
}

TEST(usage_counts, a_lock_file_of_another_kind_is_replaced)
{
    write_file(path + ".lock", "x");
    CHECK(Counter::open(path) != nullptr);
    CHECK(std::filesystem::is_fifo(path + ".lock"));
}

TEST(usage_counts, who_has_an_older_file_goes_on_with_it)
{
    auto old = Counter::open(path);
    old->take(0);
    std::filesystem::remove(path);
    auto here = Counter::open(path);
    here->counts->reclaim();
    LONGS_EQUAL(0, here->used(0));
    LONGS_EQUAL(1, old->used(0));
    here->take(1);
    old->counts->reclaim();
    old.reset();
    here->counts->reclaim();
    LONGS_EQUAL(1, here->used(1));
}

TEST(usage_counts, all_that_find_a_bad_file_at_once_end_with_the_same_new_one)
{
    for (int round = 0; round < 10; round++) {
        write_file(path, "bad");
        std::vector<std::unique_ptr<Counting_process>> processes;
        for (int i = 0; i < 8; i++)
            processes.push_back(std::make_unique<Counting_process>(take_one));
        for (const auto &process : processes)
            process->wait_until_done();
        LONGS_EQUAL(8, Counter::open(path)->used(0));
        for (const auto &process : processes)
            process->end();
    }
}

TEST(usage_counts, where_no_file_can_be_made_the_error_says_which)
{
    const auto counts = Usage_counts::open(folder.name() + "/none/counts");
    CHECK_FALSE(counts.ok());
    STRCMP_CONTAINS("/none/", counts.error().message.c_str());
}

TEST(usage_counts, without_room_for_a_destination_a_process_counts_for_itself)
{
    auto here = Counter::open(path);
    auto other = Counter::open(path);
    here->take(0);
    Mapped mapped(path);
    for (auto &key : mapped->destinations) {
        std::uint64_t free = 0;
        key.compare_exchange_strong(free, 42);
    }
    LONGS_EQUAL(1, other->used(0)); // this one has its place
    here->take(1, backend, 993);
    LONGS_EQUAL(1, here->used(1, backend, 993));
    LONGS_EQUAL(0, other->used(1, backend, 993));
    here->leases.clear();
    LONGS_EQUAL(0, here->used(1, backend, 993));
    LONGS_EQUAL(0, other->used(0));
}

TEST(usage_counts, without_room_for_a_source_a_process_counts_for_itself)
{
    auto first = Counter::open(path);
    Mapped mapped(path);
    for (auto &key : mapped->sources)
        key = 42;
    auto here = Counter::open(path);
    here->take(0);
    LONGS_EQUAL(1, here->used(0));
    LONGS_EQUAL(0, first->used(0));
}

TEST(usage_counts, without_a_free_row_a_process_counts_for_itself_until_there_is_one)
{
    auto here = Counter::open(path);
    auto other = Counter::open(path);
    const int fd = open((path + ".lock").c_str(), O_RDWR | O_CLOEXEC);
    struct flock all {};
    all.l_type = F_WRLCK;
    all.l_whence = SEEK_SET;
    CHECK_EQUAL(0, fcntl(fd, F_OFD_SETLK, &all));
    here->take(0);
    LONGS_EQUAL(1, here->used(0));
    close(fd);
    LONGS_EQUAL(0, other->used(0));
    here->now += 1000;
    LONGS_EQUAL(0, here->used(0)); // shared again; what it has counted is not moved
    here->take(1);
    LONGS_EQUAL(1, other->used(1));
    here->leases.clear();
    LONGS_EQUAL(0, other->used(1));
}

TEST(usage_counts, a_count_goes_neither_below_nothing_nor_above_what_fits)
{
    auto here = Counter::open(path);
    here->take(0);
    Mapped mapped(path);
    auto set_all = [&mapped](std::uint16_t value) {
        for (auto &row : mapped->counters) {
            for (auto &counter : row)
                counter = value;
        }
    };
    set_all(0);
    here->leases.clear();
    LONGS_EQUAL(0, here->used(0));
    set_all(UINT16_MAX);
    here->take(0);
    LONGS_EQUAL(UINT16_MAX, here->used(0));
    set_all(0);
}

TEST(usage_counts, rows_of_nonsense_are_taken_back_without_harm)
{
    auto here = Counter::open(path);
    here->take(0);
    here->take(1);
    Mapped mapped(path);
    std::mt19937_64 random(7);
    for (auto &row : mapped->rows) {
        for (auto &entry : row)
            entry = random();
    }
    for (auto &word : mapped->taken)
        word = UINT64_MAX;
    here->counts->reclaim();
    LONGS_EQUAL(1, mapped.rows_taken()); // here's own
    here->leases.clear();
    here->take(2);
    LONGS_EQUAL(1, here->used(2));
}

TEST(usage_counts, random_bytes_written_all_the_time_crash_and_hang_nobody)
{
    auto here = Counter::open(path);
    Counting_process vandal([this]() -> std::shared_ptr<void> {
        auto there = std::make_shared<Mapped>(path);
        auto *words = reinterpret_cast<std::atomic<std::uint64_t> *>(there->operator->());
        std::mt19937_64 random(11);
        if (fork() == 0) { // goes on writing until its parent is gone
            const pid_t parent = getppid();
            while (getppid() == parent) {
                for (int i = 0; i < 4096; i++)
                    words[random() % (sizeof(Layout) / 8)] = random();
            }
            _exit(0);
        }
        return there;
    });
    vandal.wait_until_done();
    for (int process = 0; process < 4; process++) {
        Counting_process honest([this] {
            auto there = Counter::open(path); // perhaps a new file: the header is random, too
            std::mt19937_64 random(3);
            for (int i = 0; i < 20'000; i++) {
                there->take(random() % 3, backend, static_cast<std::uint16_t>(random() % 50));
                there->now += 5;
                if (there->leases.size() > 200)
                    there->leases.erase(there->leases.begin() + 20, there->leases.end());
            }
            return there;
        });
        for (int i = 0; i < 20'000; i++) {
            here->take(static_cast<std::size_t>(i) % 3, backend,
                       static_cast<std::uint16_t>(i % 50));
            here->now += 7;
            if (here->leases.size() > 300)
                here->leases.clear();
        }
        honest.wait_until_done();
        honest.end();
    }
}
