using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary>Elsa's way to sign in, on the accounts of the admin API.</summary>
public sealed class StudioSignInTests(RunningServer running)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_right_password_gives_a_pair_of_tokens_and_a_wrong_one_says_so_with_200()
    {
        var right = await LoginAsync("admin", "admin");
        Assert.True(right.GetProperty("isAuthenticated").GetBoolean());
        Assert.Equal(["isAuthenticated", "accessToken", "refreshToken"], right.EnumerateObject().Select(p => p.Name));
        Assert.Equal("""{"isAuthenticated":false}""", (await LoginAsync("admin", "not the password")).GetRawText());
        using var answer = await SendAsync(HttpMethod.Get, "/elsa/api/features/installed", right.GetProperty("accessToken").GetString());
        Assert.Equal(200, (int)answer.StatusCode);
    }

    [Fact]
    public async Task A_refresh_token_renews_the_pair_and_opens_nothing_else()
    {
        var pair = await LoginAsync("operator", "operator");
        var (access, refresh) = (pair.GetProperty("accessToken").GetString(), pair.GetProperty("refreshToken").GetString());
        using (var renewed = await SendAsync(HttpMethod.Post, "/elsa/api/identity/refresh-token", refresh))
        {
            var next = await renewed.Content.ReadFromJsonAsync<JsonElement>(Ct);
            Assert.True(next.GetProperty("isAuthenticated").GetBoolean());
            using var works = await SendAsync(HttpMethod.Get, "/elsa/api/features/installed", next.GetProperty("accessToken").GetString());
            Assert.Equal(200, (int)works.StatusCode);
        }

        await RefusedAsync(HttpMethod.Post, "/elsa/api/identity/refresh-token", access, "Bearer error=\"invalid_token\"");
        await RefusedAsync(HttpMethod.Post, "/elsa/api/identity/refresh-token", null, "Bearer");
        await RefusedAsync(HttpMethod.Get, "/elsa/api/features/installed", refresh, "Bearer error=\"invalid_token\"");
        await RefusedAsync(HttpMethod.Get, "/elsa/api/features/installed", null, "Bearer");
        using var admin = await SendAsync(HttpMethod.Get, "/api/v1/admin/orders", refresh);
        await Api.ProblemAsync(admin, 401, Ct);
    }

    [Fact]
    public async Task A_token_in_the_address_opens_no_rest_endpoint()
    {
        var token = await running.TokenAsync("admin", Ct);
        await RefusedAsync(HttpMethod.Get, $"/elsa/api/features/installed?access_token={token}", null, "Bearer");
    }

    [Fact]
    public async Task Tokens_of_the_admin_api_open_studios_too_and_carry_the_permissions_of_the_role()
    {
        foreach (var (user, some) in ((string, string?)[])[("viewer", "read:workflow-definitions"), ("operator", "publish:workflow-definitions"), ("admin", "*")])
        {
            var token = await running.TokenAsync(user, Ct);
            using var answer = await SendAsync(HttpMethod.Get, "/elsa/api/descriptors/incident-strategies", token);
            Assert.Equal(200, (int)answer.StatusCode);
            var claims = new Microsoft.IdentityModel.JsonWebTokens.JsonWebToken(token).Claims.Where(c => c.Type == "permissions").Select(c => c.Value).ToList();
            Assert.Contains(some, claims);
            Assert.Equal(user != "viewer", claims.Exists(c => c == "*" || !c.StartsWith("read:", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task Every_product_activity_is_described_to_the_designer()
    {
        using var answer = await SendAsync(HttpMethod.Get, "/elsa/api/descriptors/activities?Refresh=True", await running.TokenAsync("viewer", Ct));
        var items = (await answer.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("items").EnumerateArray().ToList();
        var ours = items.Where(i => i.GetProperty("namespace").GetString() == "Pw").ToList();
        Assert.True(ours.Count >= 20, $"found {ours.Count}");
        Assert.All(ours, i =>
        {
            Assert.NotEmpty(i.GetProperty("displayName").GetString()!);
            Assert.NotEmpty(i.GetProperty("category").GetString()!);
            Assert.NotEmpty(i.GetProperty("description").GetString()!);
        });
        // The states are those of the site's own workflow.
        Assert.Superset(new HashSet<string?> { "Pending Payment", "Service Queued", "Delivered" }, ChoicesOf("Pw.AdvanceSalesOrder", "State").ToHashSet());
        Assert.Superset(new HashSet<string?> { "order-received", "order-filed", "renewal-unpaid" }, ChoicesOf("Pw.NotifyCustomer", "Template").ToHashSet());
        foreach (var activity in (string[])["Pw.BeginFulfilment", "Pw.DispatchFulfilment"]) Assert.Equal(["stripe", "erpnext", "jobs"], ChoicesOf(activity, "Door"));
        Assert.Equal(items.Count, items.Select(i => (i.GetProperty("typeName").GetString(), i.GetProperty("version").GetInt32())).Distinct().Count());

        IEnumerable<string?> ChoicesOf(string activity, string input)
        {
            var found = ours.Single(i => i.GetProperty("typeName").GetString() == activity).GetProperty("inputs").EnumerateArray().Single(i => i.GetProperty("name").GetString() == input);
            Assert.Equal("dropdown", found.GetProperty("uiHint").GetString());
            return found.GetProperty("uiSpecifications").GetProperty("dropdown").GetProperty("selectList").GetProperty("items").EnumerateArray().Select(i => i.GetProperty("value").GetString());
        }
    }

    [Fact]
    public async Task No_product_activity_that_changes_something_can_be_tried_out_in_the_designer()
    {
        string[] reading =
        [
            "Pw.CheckComingFactor", "Pw.CheckDeMinimisFactors", "Pw.CheckMailHours", "Pw.FindCommissionStatements", "Pw.FindDueReminders", "Pw.FindExpiredCdrFiles", "Pw.FindFactorMails", "Pw.FindReceivedCryptoPayments",
            "Pw.FindRenewalNotices", "Pw.FindRenewalOrders", "Pw.FindRmdAlerts", "Pw.FindStatementMails", "Pw.FindUnmirroredCommissions", "Pw.FindUnreachedUsacEntities", "Pw.FindUsacEntities", "Pw.Schedule",
        ];
        var token = await running.TokenAsync("operator", Ct);
        var items = (await Api.GetAsync(running.Http, "/elsa/api/descriptors/activities", token, Ct)).GetProperty("items").EnumerateArray();
        var types = items.Select(i => i.GetProperty("typeName").GetString()!).Where(t => t.StartsWith("Pw.", StringComparison.Ordinal)).Distinct().ToList();
        var id = "tried-" + Guid.NewGuid().ToString("N")[..8];
        var root = new { id = "all", type = "Elsa.Sequence", version = 1, activities = types.Select(t => new { id = t, type = t, version = 1 }) };
        using (var saved = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/workflow-definitions", token, new { model = new { definitionId = id, name = id, root }, publish = false }, Ct))
            Assert.True(saved.IsSuccessStatusCode, await saved.Content.ReadAsStringAsync(Ct));
        foreach (var type in types.Except(reading))
        {
            using var answer = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/tests/activities", token, new { workflowDefinitionHandle = new { definitionId = id }, activityHandle = new { activityId = type } }, Ct);
            Assert.True((int)answer.StatusCode == 400, $"{type}: {answer.StatusCode}");
            Assert.Contains("changes something outside", await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        }

        // What only reads can be: without it the list would say nothing.
        Assert.Empty(reading.Except(types));
        using var tried = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/tests/activities", token, new { workflowDefinitionHandle = new { definitionId = id }, activityHandle = new { activityId = "Pw.CheckMailHours" } }, Ct);
        Assert.Equal("Completed", (await tried.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("status").GetString());
    }

    private async Task<JsonElement> LoginAsync(string user, string password)
    {
        using var answer = await running.Http.PostAsJsonAsync("/elsa/api/identity/login", new { username = user, password }, Ct);
        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Equal("application/json", answer.Content.Headers.ContentType?.MediaType);
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Ct);
    }

    private async Task RefusedAsync(HttpMethod method, string path, string? token, string challenge)
    {
        using var answer = await SendAsync(method, path, token);
        Assert.Equal((401, ""), ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(Ct)));
        Assert.Equal(challenge, answer.Headers.WwwAuthenticate.ToString());
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? token)
    {
        using var request = new HttpRequestMessage(method, path);
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return await running.Http.SendAsync(request, Ct);
    }
}
