#include "dry_table.h"

#include <utility>

namespace proxymap {

namespace {

class Dry_table final : public Table {
  public:
    explicit Dry_table(std::unique_ptr<Table> below) : below_(std::move(below)) {}

    Position position() override { return below_ ? below_->position() : Position(); }
    Result<bool> follows() override { return below_ ? below_->follows() : Result<bool>(false); }
    Result<std::optional<Record>> get(Kind kind, const std::string &name) override
    {
        return below_ ? below_->get(kind, name) : std::optional<Record>();
    }
    Result<Done> for_each(const std::function<bool(const Record &)> &each) override
    {
        return below_ ? below_->for_each(each) : Done{};
    }
    Result<Done> for_each_text(const Each_text &each) override
    {
        return below_ ? below_->for_each_text(each) : Done{};
    }
    Result<Changes> changes_since(const Position &position) override
    {
        return below_ ? below_->changes_since(position) : Changes();
    }
    Result<std::optional<std::string>> journal_text(const Position &position) override
    {
        return below_ ? below_->journal_text(position) : std::optional<std::string>();
    }
    Result<std::optional<Mirror_note>> mirror_note(const std::string &mirror) override
    {
        return below_ ? below_->mirror_note(mirror) : std::optional<Mirror_note>();
    }

    Result<Done> begin() override { return Done{}; }
    Result<Done> put_text(Kind /*kind*/, const std::string & /*name*/,
                          std::string_view /*text*/) override
    {
        return Done{};
    }
    Result<Done> remove(Kind /*kind*/, const std::string & /*name*/) override { return Done{}; }
    Result<Position> commit() override { return position(); }
    void abort() override {}
    Position next_position() override { return position(); }
    Result<Done> promote(std::uint32_t /*seen*/) override { return Done{}; }
    Position before_commit() override { return {}; }
    Result<Done> for_each_change(const Each_change & /*each*/) override { return Done{}; }
    Result<Done> note_mirrors(const std::vector<Mirror_note> & /*notes*/) override
    {
        return Done{};
    }

  private:
    std::unique_ptr<Table> below_;
};

} // namespace

std::unique_ptr<Table> make_dry_table(std::unique_ptr<Table> below)
{
    return std::make_unique<Dry_table>(std::move(below));
}

} // namespace proxymap
