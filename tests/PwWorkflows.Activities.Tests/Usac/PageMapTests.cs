using System.Text;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Usac;

namespace PwWorkflows.Activities.Tests.Usac;

public sealed class PageMapTests
{
    static JsonObject Text() => (JsonObject)JsonNode.Parse(File.ReadAllText(PortalFixture.MapPath))!;

    static PageMapException Refused(JsonObject map) => Assert.Throws<PageMapException>(() => PageMap.Parse(Encoding.UTF8.GetBytes(map.ToJsonString()), "map.json"));

    [Fact]
    public void The_shipped_map_is_good()
    {
        var map = PageMap.Load(PortalFixture.MapPath);
        Assert.Equal(9, map.Steps.Count);
        Assert.Equal(64, map.Sha256.Length);
    }

    [Fact]
    public void Every_fault_of_a_map_is_told_at_once_with_step_and_field()
    {
        var map = Text();
        map.Remove("version");
        ((JsonObject)map["pages"]!).Remove("confirmation");
        ((JsonObject)map["pages"]!["certify"]!["buttons"]!).Remove("submit");
        var fields = map["steps"]![0]!["fields"]!.AsArray();
        ((JsonObject)fields[0]!).Remove("label");
        fields[1]!["name"] = "999";
        fields[2]!["kind"] = "slider";
        ((JsonObject)fields[4]!["options"]!).Remove("clec");

        var refused = Refused(map);
        string[] expected =
        [
            "version: expected a text.", "pages.confirmation: this page is missing.", "pages.certify: button submit is missing.",
            "steps.block-1.101: expected either label or selector.", "steps.block-1.999: the form has no such box.", "steps: box 102 of the form is on no page.",
            "steps.block-1.103: kind: expected text, check, select or multi_select, got 'slider'.", "steps.block-1.105.1: options has no text for clec.",
        ];
        Assert.All(expected, e => Assert.Contains(e, refused.Faults));
        Assert.All(expected, e => Assert.Contains(e, refused.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_box_on_two_pages_is_refused()
    {
        var map = Text();
        map["steps"]![1]!["fields"]!.AsArray().Add(new JsonObject { ["name"] = "101", ["label"] = "Again" });
        Assert.Contains("steps.block-2a.101: this box is mapped twice.", Refused(map).Faults);
    }

    [Fact]
    public void What_is_not_a_map_is_refused_with_its_name()
    {
        Assert.Contains("map.json", Assert.Throws<PageMapException>(() => PageMap.Parse("{"u8.ToArray(), "map.json")).Message, StringComparison.Ordinal);
        Assert.Throws<PageMapException>(() => PageMap.Parse("[]"u8.ToArray(), "map.json"));
        Assert.Throws<PageMapException>(() => PageMap.Load("/nowhere/map.json"));
    }

    [Fact]
    public void A_field_given_by_itself_replaces_the_one_of_a_grid()
    {
        var map = Text();
        map["steps"]!.AsArray().Single(s => s!["key"]!.GetValue<string>() == "block-3")!["fields"] = new JsonArray(new JsonObject { ["name"] = "303.1.a", ["selector"] = "#moved" });
        var field = Assert.Single(PageMap.Parse(Encoding.UTF8.GetBytes(map.ToJsonString()), "map.json").Steps.SelectMany(s => s.Fields), f => f.Name == "303.1.a");
        Assert.Equal("#moved", field.Selector);
    }
}
