using PwWorkflows.Engine.Execution;

namespace PwWorkflows.Engine.Tests.Execution;

public sealed class PropertyAccessTests
{
    private class Box
    {
        public virtual string? Text { get; set; }
        public IList<string>? Lines { get; private set; }
        public string Made { get; init; } = "";
        public int Count { get; set; }
        public string Fixed => "fixed";
    }

    private sealed class LoudBox : Box
    {
        public override string? Text { get => base.Text?.ToUpperInvariant(); set => base.Text = value; }
    }

    private sealed class Filled<T>
    {
        public T? Value { get; set; }
    }

    private static PropertyAccess Access<T>(string name) => PropertyAccess.Of(typeof(T).GetProperty(name)!);

    [Fact]
    public void Properties_of_every_kind_are_read_and_written()
    {
        var box = new Box();
        var lines = new List<string> { "a" };
        Access<Box>(nameof(Box.Text)).Set(box, "x");
        Access<Box>(nameof(Box.Lines)).Set(box, lines);
        Access<Box>(nameof(Box.Made)).Set(box, "later");
        Access<Box>(nameof(Box.Count)).Set(box, 3);
        Assert.Equal("x", Access<Box>(nameof(Box.Text)).Get(box));
        Assert.Same(lines, Access<Box>(nameof(Box.Lines)).Get(box));
        Assert.Equal("later", Access<Box>(nameof(Box.Made)).Get(box));
        Assert.Equal(3, Access<Box>(nameof(Box.Count)).Get(box));
        Access<Box>(nameof(Box.Text)).Set(box, null);
        Assert.Null(Access<Box>(nameof(Box.Text)).Get(box));
    }

    [Fact]
    public void A_property_of_a_base_class_is_read_as_the_derived_class_gives_it()
    {
        var box = new LoudBox { Text = "x" };
        Assert.Equal("X", Access<Box>(nameof(Box.Text)).Get(box));
    }

    [Fact]
    public void A_property_of_a_generic_class_is_read_and_written()
    {
        var filled = new Filled<string>();
        Access<Filled<string>>(nameof(Filled<string>.Value)).Set(filled, "y");
        Assert.Equal("y", Access<Filled<string>>(nameof(Filled<string>.Value)).Get(filled));
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        var box = new Box();
        Assert.Throws<InvalidCastException>(() => Access<Box>(nameof(Box.Text)).Set(box, 3));
        Assert.Throws<ArgumentException>(() => Access<Box>(nameof(Box.Count)).Set(box, "three"));
        Assert.Throws<ArgumentException>(() => Access<Box>(nameof(Box.Fixed)).Set(box, "other"));
    }
}
