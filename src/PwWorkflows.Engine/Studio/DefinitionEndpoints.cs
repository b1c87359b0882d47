using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Elsa.Common.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using P = PwWorkflows.Engine.Studio.StudioPermissions;

namespace PwWorkflows.Engine.Studio;

/// <summary>Looking at definitions, saving, publishing, deleting, importing and exporting them.</summary>
internal static class DefinitionEndpoints
{
    private const string Json = "application/json; charset=utf-8";
    private const string Download = "application/octet-stream";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var api = routes.MapGroup("");
        // Whatever changes definitions can be refused: what is wrong with one, that another workflow uses it, that somebody else was quicker.
        api.AddEndpointFilter(static async (context, next) =>
        {
            try
            {
                return await next(context);
            }
            catch (DefinitionInvalidException e)
            {
                return Refused(e);
            }
            catch (DefinitionOvertakenException e)
            {
                return StudioJson.Wrong(e.Message);
            }
        });
        api.MapGet("/workflow-definitions", ListAsync).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/by-definition-id/{definitionId}", ByDefinitionIdAsync).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/{definitionId}", ByDefinitionIdAsync).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/by-id/{id}", static async (string id, HttpContext http, DefinitionPublisher publisher, DefinitionModels models, CancellationToken ct) =>
            await publisher.FindVersionAsync(id, ct) is { } row ? Model(models.Model(row, http.User)) : Results.NotFound()).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/many-by-id", ManyByIdAsync).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/query/count", static async (DefinitionModels models, CancellationToken ct) =>
            StudioJson.Ok(new { count = (await models.HeadsAsync(ct)).Count(h => h.Row.IsLatest) })).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/validation/is-name-unique", static async (HttpRequest request, DefinitionModels models, CancellationToken ct) =>
            StudioJson.Ok(new { isUnique = !(await models.HeadsAsync(ct)).Any(h => h.Row.IsLatest && h.Row.DefinitionId != request.Query.Text("definitionId") && string.Equals(h.Row.Name, request.Query.Text("name")?.Trim(), StringComparison.OrdinalIgnoreCase)) }))
            .RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/{definitionId}/versions", VersionsAsync).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/{definitionId}/consumers", ConsumersAsync).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/subgraph/{id}", SubgraphAsync).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/subgraph/segments/{id}", SegmentsAsync).RequirePermission(P.ReadDefinitions);

        api.MapPost("/workflow-definitions", SaveAsync).RequirePermission(P.WriteDefinitions);
        api.MapPost("/workflow-definitions/{definitionId}/publish", PublishAsync).RequirePermission(P.PublishDefinitions);
        api.MapPost("/workflow-definitions/{definitionId}/retract", RetractAsync).RequirePermission(P.RetractDefinitions);
        api.MapPost("/workflow-definitions/{definitionId}/revert/{version:int}", RevertAsync).RequirePermission(P.PublishDefinitions);
        api.MapPost("/workflow-definitions/{definitionId}/update-references", UpdateReferencesAsync).RequirePermission(P.PublishDefinitions);
        api.MapDelete("/workflow-definitions/{definitionId}", static async (string definitionId, DefinitionPublisher publisher, CancellationToken ct) =>
            await publisher.DeleteAsync(definitionId, ct) ? Results.NoContent() : Results.NotFound()).RequirePermission(P.DeleteDefinitions);
        api.MapDelete("/workflow-definition-versions/{id}", static async (string id, DefinitionPublisher publisher, CancellationToken ct) =>
            await publisher.DeleteVersionAsync(id, ct) ? Results.NoContent() : Results.NotFound()).RequirePermission(P.DeleteDefinitions);
        api.MapDelete("/workflow-definitions/{definitionId}/version/{version:int}", static async (string definitionId, int version, DefinitionPublisher publisher, CancellationToken ct) =>
            await publisher.FindAsync(definitionId, VersionOptions.SpecificVersion(version), ct) is { } row && await publisher.DeleteVersionAsync(row.Id, ct) ? Results.Ok() : Results.NotFound())
            .RequirePermission(P.DeleteDefinitions);

        api.MapMethods("/workflow-definitions/{definitionId}/export", ["GET", "POST"], ExportAsync).RequirePermission(P.ReadDefinitions);
        api.MapPost("/bulk-actions/export/workflow-definitions", BulkExportAsync).RequirePermission(P.ReadDefinitions);
        api.MapMethods("/workflow-definitions/import", ["POST", "PUT"], (HttpContext http, DefinitionSaves saves, DefinitionModels models, CancellationToken ct) =>
            ImportAsync(null, http, saves, models, ct)).RequirePermission(P.WriteDefinitions);
        api.MapMethods("/workflow-definitions/{definitionId}/import", ["POST", "PUT"], ImportAsync).RequirePermission(P.WriteDefinitions);
        api.MapPost("/workflow-definitions/import-files", ImportFilesAsync).RequirePermission(P.WriteDefinitions);

        api.MapPost("/bulk-actions/publish/workflow-definitions/by-definition-ids", BulkPublishAsync).RequirePermission(P.PublishDefinitions);
        api.MapPost("/bulk-actions/retract/workflow-definitions/by-definition-ids", BulkRetractAsync).RequirePermission(P.RetractDefinitions);
        api.MapPost("/bulk-actions/delete/workflow-definitions/by-definition-id", static (HttpRequest request, DefinitionPublisher publisher, CancellationToken ct) =>
            BulkDeleteAsync(request, "definitionIds", publisher.DeleteAsync, ct)).RequirePermission(P.DeleteDefinitions);
        api.MapPost("/bulk-actions/delete/workflow-definitions/by-id", static (HttpRequest request, DefinitionPublisher publisher, CancellationToken ct) =>
            BulkDeleteAsync(request, "ids", publisher.DeleteVersionAsync, ct)).RequirePermission(P.DeleteDefinitions);
        api.MapPost("/actions/workflow-definitions/reload", static async (WorkflowCatalog catalog, CancellationToken ct) =>
        {
            await catalog.RefreshAsync(ct, force: true);
            return Results.Ok();
        }).RequirePermission(P.PublishDefinitions);
        api.MapPost("/actions/workflow-definitions/refresh", RefreshAsync).RequirePermission(P.PublishDefinitions);

        api.MapGet("/workflow-definitions/{definitionId}/revisions", RevisionsAsync).RequirePermission(P.ReadDefinitions);
        api.MapGet("/workflow-definitions/{definitionId}/revisions/{revision:long}", RevisionAsync).RequirePermission(P.ReadDefinitions);
        api.MapPost("/workflow-definitions/{definitionId}/revisions/{revision:long}/restore", RestoreAsync).RequirePermission(P.WriteDefinitions);
    }

    // ---- looking

    private static async Task<IResult> ListAsync(HttpRequest request, DefinitionModels models, CancellationToken ct)
    {
        var q = request.Query;
        if (Options(q, out var options) is { } wrong) return wrong;
        var (page, size) = (q.Number("page") ?? 0, q.Number("pageSize"));
        if (page < 0 || size < 0) return StudioJson.Wrong("page and pageSize must not be negative.");
        var (definitions, ids, search) = (q.Texts("definitionIds"), q.Texts("ids"), q.Text("searchTerm"));
        var rows = (await models.HeadsAsync(ct)).Where(h =>
            (options is null || h.Row.Matches(options.Value)) && definitions?.Contains(h.Row.DefinitionId) != false && ids?.Contains(h.Row.Id) != false && q.Flag("isSystem") != true
            && (q.Text("materializer") is null or "Json")
            && (search is null || ((string?[])[h.Row.Id, h.Row.Name, h.Row.Description, h.Row.DefinitionId]).Any(t => t?.Contains(search, StringComparison.OrdinalIgnoreCase) == true)));
        var descending = string.Equals(q.Text("orderDirection"), "Descending", StringComparison.OrdinalIgnoreCase);
        var ordered = (q.Text("orderBy")?.ToUpperInvariant() switch
        {
            "CREATED" => Order(rows, h => h.Row.CreatedAt, Comparer<DateTimeOffset>.Default),
            "VERSION" => Order(rows, h => h.Row.Version, Comparer<int>.Default),
            _ => Order(rows, h => h.Row.Name ?? h.Row.DefinitionId, StringComparer.OrdinalIgnoreCase),
        }).ThenBy(h => h.Row.DefinitionId, StringComparer.Ordinal).ThenBy(h => h.Row.Version).ToList();
        var items = ordered.Skip(page * (size ?? 0)).Take(size ?? int.MaxValue).Select(h => DefinitionModels.Summary(h.Row, h.ToolVersion, request.HttpContext.User)).ToList();
        return StudioJson.Ok(new { items, totalCount = ordered.Count, links = DefinitionModels.ListLinksFor(request.HttpContext.User) });

        IOrderedEnumerable<T> Order<T, TKey>(IEnumerable<T> source, Func<T, TKey> key, IComparer<TKey> comparer) => descending ? source.OrderByDescending(key, comparer) : source.OrderBy(key, comparer);
    }

    private static async Task<IResult> ByDefinitionIdAsync(string definitionId, HttpRequest request, DefinitionPublisher publisher, DefinitionModels models, CancellationToken ct)
    {
        if (Options(request.Query, out var options) is { } wrong) return wrong;
        return await publisher.FindAsync(definitionId, options ?? VersionOptions.Published, ct) is { } row ? Model(models.Model(row, request.HttpContext.User)) : Results.NotFound();
    }

    private static async Task<IResult> ManyByIdAsync(HttpRequest request, DefinitionPublisher publisher, DefinitionModels models, CancellationToken ct)
    {
        var found = new List<JsonObject>();
        foreach (var id in request.Query.Texts("ids") ?? [])
            if (await publisher.FindVersionAsync(id, ct) is { } row) found.Add(models.Model(row, request.HttpContext.User));
        return StudioJson.List(found);
    }

    private static async Task<IResult> VersionsAsync(string definitionId, DefinitionPublisher publisher, DefinitionModels models, CancellationToken ct)
    {
        var rows = new JsonArray();
        foreach (var row in await publisher.ListVersionsAsync(definitionId, ct))
        {
            var stored = models.Export(row);
            stored.Remove("$schema");
            stored["materializerName"] = "Json";
            stored["stringData"] = stored["root"]?.ToJsonString(DefinitionJson.Compact);
            stored.Remove("root");
            rows.Add(stored);
        }
        return rows.Count == 0 ? Results.NotFound() : StudioJson.Text(rows.ToJsonString(DefinitionJson.Compact));
    }

    private static async Task<IResult> ConsumersAsync(string definitionId, DefinitionPublisher publisher, IEngineStore store, ActivityRegistry registry, CancellationToken ct)
    {
        if ((await publisher.ListVersionsAsync(definitionId, ct)).Count == 0) return Results.NotFound();
        return StudioJson.Ok(new { consumingWorkflowDefinitionIds = (await ConsumersOfAsync(definitionId, store, registry, ct)).Select(c => c.DefinitionId) });
    }

    /// <summary>Newest versions of the definitions that use a definition as an activity.</summary>
    private static async Task<IReadOnlyList<DefinitionRow>> ConsumersOfAsync(string definitionId, IEngineStore store, ActivityRegistry registry, CancellationToken ct) =>
        [.. (await store.GetDefinitionsAsync(null, ct)).Where(row => row.IsLatest && row.DefinitionId != definitionId && row.Content.Contains("workflowDefinitionId", StringComparison.OrdinalIgnoreCase)
            && DefinitionJson.Parse(row.Content)["root"] is JsonObject root && DefinitionJson.Visit(root, registry).Any(a => DefinitionJson.Text(a.Activity, "workflowDefinitionId") == definitionId))];

    private static async Task<IResult> SubgraphAsync(string id, HttpRequest request, DefinitionPublisher publisher, DefinitionModels models, CancellationToken ct)
    {
        if (await publisher.FindVersionAsync(id, ct) is not { } row) return Results.NotFound();
        var model = models.Model(row, request.HttpContext.User);
        var nodeId = request.Query.Text("parentNodeId") ?? DefinitionJson.Text((JsonObject)model["root"]!, "nodeId");
        return nodeId is not null && models.FindNode(model, nodeId) is { } node ? Model(Node(node)) : Results.NotFound();
    }

    private static async Task<IResult> SegmentsAsync(string id, HttpRequest request, DefinitionPublisher publisher, DefinitionModels models, CancellationToken ct)
    {
        if (request.Query.Text("childNodeId") is not { } nodeId) return StudioJson.WrongField("childNodeId", "is required; expected the node id of an activity.");
        if (await publisher.FindVersionAsync(id, ct) is not { } row || models.Path(models.Model(row, request.HttpContext.User), nodeId) is not { Count: > 1 } path) return Results.NotFound();
        // From the root's children down to what holds the node, each with the port that leads on.
        var segments = new JsonArray();
        for (var i = 1; i < path.Count - 1; i++)
        {
            var (activity, _) = path[i];
            var segment = new JsonObject
            {
                ["activityNodeId"] = DefinitionJson.Text(activity, "nodeId"),
                ["activityId"] = DefinitionJson.Text(activity, "id"),
                ["activityType"] = DefinitionJson.Text(activity, "type"),
                ["portName"] = path[i + 1].Port,
            };
            if (DefinitionJson.Text(activity, "name") is { } name) segment["activityName"] = name;
            segments.Add(segment);
        }
        return Model(new JsonObject { ["childNode"] = Node(path[^1]), ["container"] = Node(path[^2]), ["pathSegments"] = segments });
    }

    private static JsonObject Node((JsonObject Activity, string Port) node) =>
        new() { ["nodeId"] = DefinitionJson.Text(node.Activity, "nodeId"), ["port"] = node.Port, ["activity"] = node.Activity.DeepClone() };

    // ---- changing

    private static async Task<IResult> SaveAsync(HttpContext http, DefinitionPublisher publisher, DefinitionModels models, DefinitionSaves saves, IEngineStore store, ActivityRegistry registry, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(http.Request, ct);
        if (problem is not null) return problem;
        if (body["model"] is not JsonObject model) return StudioJson.WrongField("model", "is required; expected the definition.");
        var publish = body.Flag("publish") == true;
        if (publish && !http.User.May(P.PublishDefinitions)) return Results.StatusCode(StatusCodes.Status403Forbidden);
        var (row, already) = await saves.SaveAsync(model, publish, User(http), ct);
        return Model(await SavedAsync(row, already, http, models, store, registry, ct));
    }

    private static async Task<JsonObject> SavedAsync(DefinitionRow row, bool already, HttpContext http, DefinitionModels models, IEngineStore store, ActivityRegistry registry, CancellationToken ct) => new()
    {
        ["workflowDefinition"] = models.Model(row, http.User),
        ["alreadyPublished"] = already,
        ["consumingWorkflowCount"] = (await ConsumersOfAsync(row.DefinitionId, store, registry, ct)).Count,
        ["validationErrors"] = new JsonArray(),
    };

    private static async Task<IResult> PublishAsync(string definitionId, HttpContext http, DefinitionPublisher publisher, DefinitionModels models, IEngineStore store, ActivityRegistry registry, CancellationToken ct) =>
        await publisher.PublishVersionAsync(definitionId, null, ct) is { } done ? Model(await SavedAsync(done.Row, done.AlreadyPublished, http, models, store, registry, ct)) : Results.NotFound();

    private static async Task<IResult> RetractAsync(string definitionId, HttpContext http, DefinitionPublisher publisher, DefinitionModels models, CancellationToken ct)
    {
        var versions = await publisher.ListVersionsAsync(definitionId, ct);
        if (versions.Count == 0) return Results.NotFound();
        var published = versions.FirstOrDefault(v => v.IsPublished);
        if (!await publisher.RetractAsync(definitionId, ct) || published is null) return StudioJson.Wrong($"Workflow with id {definitionId} is not published");
        return await publisher.FindVersionAsync(published.Id, ct) is { } row ? Model(models.Model(row, http.User)) : Results.NotFound();
    }

    private static async Task<IResult> RevertAsync(string definitionId, int version, HttpContext http, DefinitionPublisher publisher, CancellationToken ct)
    {
        if (await publisher.RevertAsync(definitionId, version, User(http), ct) is not { } row) return Results.NotFound();
        http.Response.Headers.Location = $"{http.Request.PathBase}{http.Request.Path.Value![..http.Request.Path.Value!.IndexOf("/workflow-definitions/", StringComparison.Ordinal)]}/workflow-definitions/by-id/{row.Id}";
        return StudioJson.Ok(DefinitionModels.Summary(row), StatusCodes.Status201Created);
    }

    private static async Task<IResult> UpdateReferencesAsync(string definitionId, HttpContext http, DefinitionPublisher publisher, IEngineStore store, ActivityRegistry registry, CancellationToken ct)
    {
        if (await publisher.FindAsync(definitionId, VersionOptions.Published, ct) is not { } published) return Results.NotFound();
        var affected = new List<string>();
        foreach (var consumer in await ConsumersOfAsync(definitionId, store, registry, ct))
        {
            var definition = DefinitionJson.Parse(consumer.Content);
            foreach (var (activity, _) in DefinitionJson.Visit((JsonObject)definition["root"]!, registry).Where(a => DefinitionJson.Text(a.Activity, "workflowDefinitionId") == definitionId).ToList())
            {
                activity["workflowDefinitionVersionId"] = published.Id;
                activity["version"] = published.Version;
            }
            var json = definition.ToJsonString(DefinitionJson.Compact);
            if (consumer.IsPublished) await publisher.PublishAsync(json, null, User(http), ct);
            else await publisher.SaveDraftAsync(json, User(http), ct);
            affected.Add(consumer.Name ?? consumer.DefinitionId);
        }
        return StudioJson.Ok(new { affectedWorkflows = affected });
    }

    // ---- files

    private static async Task<IResult> ExportAsync(string definitionId, HttpRequest request, DefinitionPublisher publisher, DefinitionModels models, IEngineStore store, ActivityRegistry registry, CancellationToken ct)
    {
        if (Options(request.Query, out var options) is { } wrong) return wrong;
        if (await publisher.FindAsync(definitionId, options ?? VersionOptions.Latest, ct) is not { } row) return Results.NotFound();
        if (request.Query.Flag("includeConsumingWorkflows") == true && await ConsumersOfAsync(definitionId, store, registry, ct) is { Count: > 0 } consumers) return Zip([row, .. consumers], models);
        return Results.File(Bytes(models.Export(row)), Download, DefinitionModels.FileName(row));
    }

    private static async Task<IResult> BulkExportAsync(HttpRequest request, DefinitionPublisher publisher, DefinitionModels models, IEngineStore store, ActivityRegistry registry, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        var rows = new List<DefinitionRow>();
        foreach (var id in (body.Texts("ids") ?? []).Distinct())
            if (await publisher.FindVersionAsync(id, ct) is { } row) rows.Add(row);
        if (body.Flag("includeConsumingWorkflows") == true)
            foreach (var row in rows.ToList())
                rows.AddRange((await ConsumersOfAsync(row.DefinitionId, store, registry, ct)).Where(c => rows.TrueForAll(r => r.Id != c.Id)));
        return rows.Count == 0 ? Results.NoContent() : Zip(rows, models);
    }

    private static IResult Zip(IReadOnlyList<DefinitionRow> rows, DefinitionModels models)
    {
        using var buffer = new MemoryStream();
        using (var zip = new ZipArchive(buffer, ZipArchiveMode.Create, leaveOpen: true))
            foreach (var row in rows)
            {
                using var entry = zip.CreateEntry(DefinitionModels.FileName(row)).Open();
                entry.Write(Bytes(models.Export(row)));
            }
        return Results.File(buffer.ToArray(), Download, "workflow-definitions.zip");
    }

    private static byte[] Bytes(JsonObject o) => Encoding.UTF8.GetBytes(o.ToJsonString(DefinitionJson.Compact));

    private static async Task<IResult> ImportAsync(string? definitionId, HttpContext http, DefinitionSaves saves, DefinitionModels models, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(http.Request, ct);
        if (problem is not null) return problem;
        if (definitionId is not null) body["definitionId"] = definitionId;
        var isNew = DefinitionJson.Text(body, "definitionId") is not { Length: > 0 };
        var row = await saves.TakeInAsync(DefinitionModels.Received(body, null).Json, User(http), ct);
        return Model(models.Model(row, http.User), isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    private static async Task<IResult> ImportFilesAsync(HttpContext http, DefinitionSaves saves, CancellationToken ct)
    {
        if (!http.Request.HasFormContentType) return StudioJson.WrongField("files", "Expected a form with JSON or zip files.");
        var problems = new List<string>();
        var texts = await StudioFiles.ReadAsync((await http.Request.ReadFormAsync(ct)).Files, problems, ct);
        // All or none: what is wrong is told before anything is stored.
        var definitions = new List<string>();
        foreach (var (name, json) in texts)
            try
            {
                definitions.Add(DefinitionModels.Received(DefinitionJson.Parse(json), null).Json);
            }
            catch (DefinitionFormatException e)
            {
                problems.Add($"{name}: {e.Message}");
            }
        if (problems.Count == 0)
            foreach (var json in definitions)
                if (await saves.InTheWayAsync(json, User(http), ct) is { } other) problems.Add(other);
        if (problems.Count > 0) return StudioJson.WrongField("files", problems);
        foreach (var json in definitions) await saves.TakeInAsync(json, User(http), ct);
        return StudioJson.Ok(new { count = definitions.Count });
    }

    // ---- many at once

    private static async Task<IResult> BulkPublishAsync(HttpRequest request, DefinitionPublisher publisher, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        var (published, already, missing, failed) = (new List<string>(), new List<string>(), new List<string>(), new List<string>());
        var warnings = new Dictionary<string, IReadOnlyList<string>>();
        foreach (var id in body.Texts("definitionIds") ?? [])
            try
            {
                var done = await publisher.PublishVersionAsync(id, null, ct);
                (done is null ? missing : done.AlreadyPublished ? already : published).Add(id);
            }
            catch (DefinitionInvalidException e)
            {
                failed.Add(id);
                warnings[id] = Texts(e);
            }
        return StudioJson.Ok(new { published, alreadyPublished = already, notFound = missing, skipped = Array.Empty<string>(), updatedConsumers = Array.Empty<string>(), failed, warnings });
    }

    private static async Task<IResult> BulkRetractAsync(HttpRequest request, DefinitionPublisher publisher, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        var (retracted, already, missing) = (new List<string>(), new List<string>(), new List<string>());
        foreach (var id in body.Texts("definitionIds") ?? [])
            (await publisher.RetractAsync(id, ct) ? retracted : (await publisher.ListVersionsAsync(id, ct)).Count > 0 ? already : missing).Add(id);
        return StudioJson.Ok(new { retracted, alreadyRetracted = already, skipped = Array.Empty<string>(), notPublished = already, notFound = missing });
    }

    private static async Task<IResult> BulkDeleteAsync(HttpRequest request, string field, Func<string, CancellationToken, Task<bool>> delete, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        var (deleted, refused) = (0, new List<string>());
        foreach (var id in body.Texts(field) ?? [])
            try
            {
                if (await delete(id, ct)) deleted++;
            }
            catch (DefinitionInvalidException e)
            {
                refused.AddRange(Texts(e));
            }
        // Studio shows errors and nothing else of the answer: what stays must be told by one.
        return refused.Count == 0 ? StudioJson.Ok(new { deleted }) : StudioJson.Wrong([.. refused, $"All others were deleted: {deleted}."]);
    }

    private static async Task<IResult> RefreshAsync(HttpRequest request, DefinitionPublisher publisher, WorkflowCatalog catalog, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        await catalog.RefreshAsync(ct, force: true);
        var (refreshed, missing) = (new List<string>(), new List<string>());
        foreach (var id in body.Texts("definitionIds") ?? []) ((await publisher.ListVersionsAsync(id, ct)).Count > 0 ? refreshed : missing).Add(id);
        return StudioJson.Ok(new { refreshed, notFound = missing });
    }

    // ---- revisions

    private static async Task<IResult> RevisionsAsync(string definitionId, HttpRequest request, IEngineStore store, CancellationToken ct)
    {
        var (skip, take) = (request.Query.Number("skip") ?? 0, request.Query.Number("take") ?? 100);
        if (skip < 0 || take is < 0 or > 1000) return StudioJson.Wrong("skip must not be negative, take must be 0 to 1000.");
        var revisions = await store.ListRevisionsAsync(definitionId, skip, take, ct);
        return StudioJson.List(revisions.Select(r => new { r.Id, r.DefinitionId, r.DefinitionVersionId, r.Version, r.SavedAt, r.SavedBy, r.Accepted }).ToList());
    }

    private static async Task<IResult> RevisionAsync(string definitionId, long revision, IEngineStore store, DefinitionModels models, CancellationToken ct) =>
        await store.GetRevisionAsync(definitionId, revision, ct) is { } r ? Model(models.Export(r.AsDefinition())) : Results.NotFound();

    private static async Task<IResult> RestoreAsync(
        string definitionId, long revision, HttpContext http, DefinitionPublisher publisher, DefinitionSaves saves, DefinitionModels models, IEngineStore store, ActivityRegistry registry, CancellationToken ct)
    {
        if (await store.GetRevisionAsync(definitionId, revision, ct) is not { } r) return Results.NotFound();
        if (http.Request.Query.Flag("over") != true && await saves.InTheWayAsync(r.Content, User(http), ct) is { } other)
            return StudioJson.Wrong(other, "Restore it with ?over=true to replace that draft; it stays among the saves.");
        var row = await publisher.SaveDraftAsync(r.Content, User(http), ct);
        return Model(await SavedAsync(row, false, http, models, store, registry, ct));
    }

    // ---- small things

    private static IResult Model(JsonObject model, int status = StatusCodes.Status200OK) => Results.Text(model.ToJsonString(DefinitionJson.Compact), Json, statusCode: status);

    private static IResult Refused(DefinitionInvalidException e) => StudioJson.Wrong(Texts(e));

    private static List<string> Texts(DefinitionInvalidException e) => [.. e.Problems.Select(p => p.ToString())];

    private static IResult? Options(IQueryCollection query, out VersionOptions? options)
    {
        try
        {
            options = DefinitionModels.Versions(query.Text("versionOptions"));
            return null;
        }
        catch (FormatException e)
        {
            options = null;
            return StudioJson.WrongField("versionOptions", e.Message);
        }
    }

    private static string? User(HttpContext http) => http.User.Identity?.Name;
}
