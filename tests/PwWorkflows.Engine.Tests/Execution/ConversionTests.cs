using System.Dynamic;
using System.Text.Json;
using System.Text.Json.Nodes;
using Elsa.Expressions.Helpers;
using Elsa.Workflows.Activities.Flowchart.Models;

namespace PwWorkflows.Engine.Tests.Execution;

public sealed class ConversionTests
{
    public sealed record Order(string Id, int Count, string[]? Tags = null);

    [Theory]
    [InlineData("7", typeof(int), 7), InlineData("7", typeof(long), 7L), InlineData("1.5", typeof(double), 1.5), InlineData("True", typeof(bool), true), InlineData("WaitAll", typeof(FlowJoinMode), FlowJoinMode.WaitAll)]
    [InlineData("waitany", typeof(FlowJoinMode), FlowJoinMode.WaitAny), InlineData(3L, typeof(int), 3), InlineData(2, typeof(FlowJoinMode), FlowJoinMode.WaitAny), InlineData(7, typeof(string), "7"), InlineData(true, typeof(string), "true"), InlineData("", typeof(int?), null)]
    public void Simple_values_are_converted_in_the_invariant_culture(object value, Type type, object? expected) => Assert.Equal(expected, value.ConvertTo(type));

    [Fact]
    public void Text_becomes_times_ids_and_addresses_and_back()
    {
        Assert.Equal(TimeSpan.FromSeconds(5), "00:00:05".ConvertTo<TimeSpan>());
        Assert.Equal(new DateTimeOffset(2026, 3, 2, 9, 0, 0, TimeSpan.Zero), "2026-03-02T09:00:00".ConvertTo<DateTimeOffset>());
        var id = Guid.NewGuid();
        Assert.Equal(id, id.ToString().ConvertTo<Guid>());
        Assert.Equal(new Uri("https://example.org/a"), "https://example.org/a".ConvertTo<Uri>());
        Assert.Equal(12.30m, "12.30".ConvertTo<decimal>());
        Assert.Equal("2026-03-02T09:00:00.0000000+00:00", new DateTimeOffset(2026, 3, 2, 9, 0, 0, TimeSpan.Zero).ConvertTo<string>());
    }

    [Fact]
    public void Json_text_becomes_objects_and_collections_and_back()
    {
        var order = "{\"id\":\"42\",\"count\":2,\"tags\":[\"a\"]}".ConvertTo<Order>()!;
        Assert.Equal(("42", 2, "a"), (order.Id, order.Count, order.Tags![0]));
        Assert.Equal(["GET", "POST"], "[\"GET\",\"POST\"]".ConvertTo<ICollection<string>>()!);
        Assert.Equal("{\"id\":\"1\",\"count\":1,\"tags\":null}", new Order("1", 1).ConvertTo<string>());
        Assert.Equal(1L, "{\"a\":1}".ConvertTo<IDictionary<string, object>>()!["a"]);
        Assert.Equal([1, 2], new List<object> { "1", 2L }.ConvertTo<int[]>()!);
        Assert.Equal(2L, ((IDictionary<string, object?>)"{\"b\":2}".ConvertTo<ExpandoObject>()!)["b"]);
    }

    [Fact]
    public void Json_elements_become_plain_data()
    {
        var e = JsonSerializer.Deserialize<JsonElement>("{\"a\":[1,\"x\",true,null]}");
        var map = Assert.IsType<IDictionary<string, object?>>(e.ConvertTo<object>(), exactMatch: false);
        Assert.Equal([1L, "x", true, null], Assert.IsType<IList<object?>>(map["a"], exactMatch: false));
        Assert.Equal(5, JsonSerializer.Deserialize<JsonElement>("5").ConvertTo<int>());
        Assert.Equal("x", JsonValue.Create("x").ConvertTo<string>());
        Assert.Equal(new Order("9", 1), new Dictionary<string, object> { ["Id"] = "9", ["Count"] = 1 }.ConvertTo<Order>());
    }

    [Theory, InlineData("abc", typeof(int)), InlineData("maybe", typeof(bool)), InlineData("Sometimes", typeof(FlowJoinMode)), InlineData("{broken", typeof(Order)), InlineData("99999999999", typeof(int))]
    public void What_cannot_be_converted_names_value_and_type(string value, Type type)
    {
        var e = Assert.Throws<TypeConversionException>(() => value.ConvertTo(type));
        Assert.Equal((value, type), (e.Value, e.TargetType));
        Assert.Contains(value, e.Message, StringComparison.Ordinal);
        Assert.Contains(type.Name, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Long_values_are_not_repeated_in_the_message()
    {
        var e = Assert.Throws<TypeConversionException>(() => new string('s', 500).ConvertTo<int>());
        Assert.DoesNotContain("sss", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Null_becomes_the_default()
    {
        Assert.Equal(0, ((object?)null).ConvertTo<int>());
        Assert.Null(((object?)null).ConvertTo<int?>());
        Assert.Null(((object?)null).ConvertTo<Order>());
    }
}
