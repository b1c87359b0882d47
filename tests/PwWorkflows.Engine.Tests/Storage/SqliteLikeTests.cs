using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Tests.Storage;

public sealed class SqliteLikeTests
{
    [Theory]
    [InlineData("", "", true), InlineData("", "a", false), InlineData("%", "", true), InlineData("_", "", false), InlineData("_", "ä", true), InlineData("abc", "ABC", true), InlineData("%b%", "abc", true)]
    [InlineData("%b", "abc", false), InlineData("a%c", "abbbc", true), InlineData("a%bc%", "abxabcx", true), InlineData("a_c", "abbc", false), InlineData("%ärg%", "Großer ÄRGER", true), InlineData("ж%", "Жук", true)]
    [InlineData("50\\%", "50%", true), InlineData("50\\%", "500", false), InlineData("a\\_b", "axb", false), InlineData("a\\_b", "A_B", true), InlineData("%\\%", "12%", true), InlineData("a\\\\b", "a\\b", true)]
    public void Pattern_fits_as_in_SQL_in_either_case(string pattern, string text, bool fits) => Assert.Equal(fits, SqliteLike.Matches(pattern, text, '\\'));

    [Fact]
    public void Nothing_is_like_nothing()
    {
        Assert.Null(SqliteLike.Matches(null, "a", null));
        Assert.Null(SqliteLike.Matches("a", null, null));
    }
}
