using System.Text.Json;
using Elsa.Expressions.Helpers;
using Elsa.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PwWorkflows.Engine.Http;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Tests.Http;

public sealed class RouteTableTests
{
    private static TriggerRow Row(string path, string method = "get", string? key = null, bool authorize = false) => new(path, "workflow of " + path, "v:1", "a", "Elsa.HttpEndpoint", "HASH", key ?? $"{method} {path}",
        JsonSerializer.Serialize(new HttpEndpointBookmarkPayload(path, method, authorize), ObjectConverter.Json));

    private static string? Met(RouteTable table, string path, string method = "GET") =>
        table.TryMatch(method, path, out var route, out var values) ? string.Join(' ', [route.Trigger.Id, .. (values ?? []).OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => $"{v.Key}={v.Value}")]) : null;

    [Fact]
    public void Exact_path_goes_before_a_parameter_and_a_parameter_before_the_rest_whatever_came_first()
    {
        var table = RouteTable.Build([Row("/{*rest}"), Row("/orders/{id}"), Row("/orders/{id}/lines/{line=1}"), Row("/orders/open"), Row("/orders/{id}", "post")], NullLogger.Instance);
        Assert.Equal("/orders/open", Met(table, "/Orders/OPEN/"));
        Assert.Equal("/orders/{id} id=CO-1", Met(table, "/orders/CO-1"));
        Assert.Equal("/orders/{id} id=open", Met(table, "/ORDERS/open", "post"));
        Assert.Equal("/orders/{id}/lines/{line=1} id=7 line=1", Met(table, "/orders/7/lines"));
        Assert.Equal("/{*rest} rest=a/b/c", Met(table, "/a/b/c"));
        Assert.Null(Met(table, "/orders/7", "DELETE"));
    }

    [Fact]
    public void Row_that_cannot_be_served_is_left_out_and_told_and_the_others_are_served()
    {
        var log = new Lines();
        var table = RouteTable.Build([Row("/orders/{id"), Row("/a/{x}{y}"), Row("/b/{n:int}"), Row("/good"), Row("/GOOD"), Row("/guarded", authorize: true), Row("/c") with { Payload = "{}" }, Row("/d") with { Payload = "{broken" }], log);
        Assert.Equal("/good", Met(table, "/good"));
        Assert.All((string[])["/orders/1", "/a/1", "/b/1", "/guarded", "/c", "/d"], path => Assert.Null(Met(table, path)));
        Assert.Equal(7, log.Count);
        Assert.All((string[])["workflow of /orders/{id ", "'workflow of /good' has the same route", "signed-in caller"], part => Assert.Contains(log, l => l.Contains(part, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("/Orders/{Id}/", "get", "GET /orders/{1}")]
    [InlineData("orders/{no}", "GET", "GET /orders/{1}")]
    [InlineData("a/{x}-{y}/{*rest}", "POST", "POST /a/{1}-{2}/{*3}")]
    public void Key_is_the_same_for_what_meets_the_same_requests(string path, string method, string key) => Assert.Equal(key, RouteTable.Key(method, path));

    [Fact]
    public void Key_of_a_row_is_read_from_what_it_listens_to_and_not_from_an_older_key() =>
        Assert.Equal("GET /orders/{1}", RouteTable.KeyOf(Row("/Orders/{number}", key: "GET /Orders/{number}")));

    private sealed class Lines : List<string>, ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => true;
        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Add(formatter(state, exception));
    }
}
